use aws_config::SdkConfig;

use crate::arn::ArnScope;
use crate::calls::{ControlPlane, RegisteredCertificate};
use crate::certificate::{CertificateId, DeviceCertificate};
use crate::device::Device;
use crate::error::Error;
use crate::name::{PolicyName, ThingName};
use crate::policy::PolicyDocument;
use crate::step::{Outcome, Step, Subject};

/// Registers devices with AWS IoT Core's control plane, in one account and region.
#[derive(Debug, Clone)]
pub struct Provisioner {
    aws: ControlPlane,
}

/// A registered device: what its configuration and the operator's records need.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provisioned {
    /// The thing.
    pub thing: ThingName,
    /// The thing's ARN.
    pub thing_arn: String,
    /// The certificate's id, as AWS named it.
    pub certificate_id: CertificateId,
    /// The certificate's ARN.
    pub certificate_arn: String,
    /// The policy on the certificate.
    pub policy: PolicyName,
    /// The host name where the device connects (`iot:Data-ATS`).
    pub endpoint: String,
    /// The steps, in the order in which they were done.
    pub steps: Vec<Step>,
}

impl Provisioner {
    /// A provisioner for the account and region of this configuration (see [`aws_client_config`]).
    ///
    /// [`aws_client_config`]: crate::aws_client_config
    ///
    /// # Errors
    /// [`Error::NoRegion`]. Credentials are looked for by the first call.
    pub fn new(config: &SdkConfig) -> Result<Self, Error> {
        Ok(Self { aws: ControlPlane::new(config)? })
    }

    /// Registers a device. Safe to repeat, also after an error: what is there is left as it is.
    ///
    /// # Errors
    /// Every call may fail; [`Error`] tells them apart. A policy with another document and a certificate that is not
    /// ACTIVE are errors too: neither is changed.
    pub async fn provision(&self, device: &Device) -> Result<Provisioned, Error> {
        self.provision_with(device, |_| {}).await
    }

    /// As [`provision`](Self::provision), and tells each step when it is done.
    ///
    /// # Errors
    /// As [`provision`](Self::provision).
    pub async fn provision_with(
        &self,
        device: &Device,
        on_step: impl FnMut(&Step),
    ) -> Result<Provisioned, Error> {
        let mut steps = Steps { done: Vec::new(), on_step };
        // Looked at before anything is written: a certificate that must not be used stops everything.
        let known = self.usable_certificate(&device.certificate.id()).await?;

        let (thing_arn, outcome) = self.thing(&device.thing).await?;
        steps.done(Subject::Thing(device.thing.clone()), outcome);

        let outcome = self.policy(device, &thing_arn).await?;
        steps.done(Subject::Policy(device.policy.clone()), outcome);

        let (certificate, outcome) = match known {
            Some(known) => (known, Outcome::AlreadyThere),
            None => self.register(&device.certificate).await?,
        };
        steps.done(Subject::Certificate(certificate.id.clone()), outcome);

        self.aws.attach_policy(&device.policy, &certificate).await?;
        steps.done(Subject::PolicyAttachment(device.policy.clone()), Outcome::InPlace);

        self.aws.attach_thing_principal(&device.thing, &certificate, device.attachment).await?;
        steps.done(Subject::ThingAttachment(device.thing.clone()), Outcome::InPlace);

        let endpoint = self.aws.describe_endpoint().await?;
        steps.done(Subject::Endpoint(endpoint.clone()), Outcome::Found);

        Ok(Provisioned {
            thing: device.thing.clone(),
            thing_arn,
            certificate_id: certificate.id,
            certificate_arn: certificate.arn,
            policy: device.policy.clone(),
            endpoint,
            steps: steps.done,
        })
    }

    /// A thing that exists with attributes or a type answers ResourceAlreadyExists: it is used as it is.
    async fn thing(&self, thing: &ThingName) -> Result<(String, Outcome), Error> {
        match self.aws.create_thing(thing).await? {
            Some(arn) => Ok((arn, Outcome::InPlace)),
            None => Ok((self.aws.describe_thing(thing).await?, Outcome::AlreadyThere)),
        }
    }

    async fn policy(&self, device: &Device, thing_arn: &str) -> Result<Outcome, Error> {
        let wanted = match &device.document {
            Some(document) => document.clone(),
            None => PolicyDocument::least_privilege(&ArnScope::of(thing_arn).map_err(Error::Arn)?),
        };
        if self.aws.create_policy(&device.policy, &wanted).await? {
            return Ok(Outcome::Created);
        }
        if wanted.is_same_as(&self.aws.get_policy(&device.policy).await?) {
            Ok(Outcome::AlreadyThere)
        } else {
            Err(Error::PolicyDiffers { policy: device.policy.clone() })
        }
    }

    /// What AWS returns or names is the certificate's id, and not what was computed here.
    async fn register(
        &self,
        certificate: &DeviceCertificate,
    ) -> Result<(RegisteredCertificate, Outcome), Error> {
        match self.aws.register_certificate_without_ca(certificate).await? {
            Ok(registered) => Ok((registered, Outcome::Created)),
            Err(named) => match self.usable_certificate(&named).await? {
                Some(known) => Ok((known, Outcome::AlreadyThere)),
                None => Err(Error::Incomplete { action: "iot:DescribeCertificate", missing: "certificate" }),
            },
        }
    }

    /// The certificate of that id, if it is registered; an error if it is, but not ACTIVE.
    async fn usable_certificate(&self, id: &CertificateId) -> Result<Option<RegisteredCertificate>, Error> {
        match self.aws.describe_certificate(id).await? {
            Some((known, status)) if status != "ACTIVE" => {
                Err(Error::CertificateNotActive { id: known.id, status })
            }
            Some((known, _)) => Ok(Some(known)),
            None => Ok(None),
        }
    }
}

struct Steps<F> {
    done: Vec<Step>,
    on_step: F,
}

impl<F: FnMut(&Step)> Steps<F> {
    fn done(&mut self, subject: Subject, outcome: Outcome) {
        let step = Step { subject, outcome };
        tracing::debug!(%step, "done");
        (self.on_step)(&step);
        self.done.push(step);
    }
}
