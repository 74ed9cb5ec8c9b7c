//! The calls, one function each: what is asked, and which of AWS's answers are not failures.

use aws_config::SdkConfig;
use aws_sdk_iot::Client;
use aws_sdk_iot::error::SdkError;
use aws_sdk_iot::operation::create_policy::CreatePolicyError;
use aws_sdk_iot::operation::create_thing::CreateThingError;
use aws_sdk_iot::operation::describe_certificate::DescribeCertificateError;
use aws_sdk_iot::operation::register_certificate_without_ca::RegisterCertificateWithoutCAError;
use aws_sdk_iot::types::{CertificateStatus, ThingPrincipalType};

use crate::certificate::{CertificateId, DeviceCertificate};
use crate::device::Attachment;
use crate::error::Error;
use crate::failed_call::Call;
use crate::name::{PolicyName, ThingName};
use crate::policy::PolicyDocument;

/// The type must be said: left out, AWS answers with the legacy endpoint, whose server certificate is not from Amazon's
/// own roots (AWS IoT API reference, DescribeEndpoint).
const ENDPOINT_TYPE: &str = "iot:Data-ATS";

/// For calls that IAM knows only as a whole.
const ANY_RESOURCE: &str = "*";

#[derive(Debug, Clone)]
pub(crate) struct ControlPlane {
    client: Client,
    /// Who is called, in the user's words.
    place: String,
}

#[derive(Debug, Clone)]
pub(crate) struct RegisteredCertificate {
    pub(crate) id: CertificateId,
    pub(crate) arn: String,
}

impl ControlPlane {
    pub(crate) fn new(config: &SdkConfig) -> Result<Self, Error> {
        let region = config.region().ok_or(Error::NoRegion)?;
        let place = match config.endpoint_url() {
            Some(url) => format!("AWS IoT control plane at {url}"),
            None => format!("AWS IoT control plane in {region}"),
        };
        Ok(Self { client: Client::new(config), place })
    }

    /// The thing's ARN, or `None` if it exists with another configuration.
    pub(crate) async fn create_thing(&self, thing: &ThingName) -> Result<Option<String>, Error> {
        let call = on_thing("iot:CreateThing", thing);
        match self.client.create_thing().thing_name(thing.as_str()).send().await {
            Ok(answer) => part(&call, "thingArn", answer.thing_arn).map(Some),
            Err(SdkError::ServiceError(e))
                if matches!(e.err(), CreateThingError::ResourceAlreadyExistsException(_)) =>
            {
                Ok(None)
            }
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// The thing's ARN.
    pub(crate) async fn describe_thing(&self, thing: &ThingName) -> Result<String, Error> {
        let call = on_thing("iot:DescribeThing", thing);
        match self.client.describe_thing().thing_name(thing.as_str()).send().await {
            Ok(answer) => part(&call, "thingArn", answer.thing_arn),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// Whether the policy was created: `false` if there is one of that name.
    pub(crate) async fn create_policy(
        &self,
        policy: &PolicyName,
        document: &PolicyDocument,
    ) -> Result<bool, Error> {
        let call = on_policy("iot:CreatePolicy", policy);
        let request =
            self.client.create_policy().policy_name(policy.as_str()).policy_document(document.as_str());
        match request.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(e))
                if matches!(e.err(), CreatePolicyError::ResourceAlreadyExistsException(_)) =>
            {
                Ok(false)
            }
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// The document of the policy's default version, which is the one in force.
    pub(crate) async fn get_policy(&self, policy: &PolicyName) -> Result<String, Error> {
        let call = on_policy("iot:GetPolicy", policy);
        match self.client.get_policy().policy_name(policy.as_str()).send().await {
            Ok(answer) => part(&call, "policyDocument", answer.policy_document),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// The certificate and its status, or `None` if none of that id is registered.
    pub(crate) async fn describe_certificate(
        &self,
        id: &CertificateId,
    ) -> Result<Option<(RegisteredCertificate, String)>, Error> {
        let call = on_certificate("iot:DescribeCertificate", id);
        match self.client.describe_certificate().certificate_id(id.as_str()).send().await {
            Ok(answer) => {
                let found = part(&call, "certificateDescription", answer.certificate_description)?;
                let status = part(&call, "status", found.status)?.as_str().to_owned();
                Ok(Some((registered(&call, found.certificate_id, found.certificate_arn)?, status)))
            }
            Err(SdkError::ServiceError(e))
                if matches!(e.err(), DescribeCertificateError::ResourceNotFoundException(_)) =>
            {
                Ok(None)
            }
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// The new registration, or the id under which AWS has the certificate already.
    pub(crate) async fn register_certificate_without_ca(
        &self,
        certificate: &DeviceCertificate,
    ) -> Result<Result<RegisteredCertificate, CertificateId>, Error> {
        let call = Call {
            resource: ANY_RESOURCE.to_owned(),
            ..on_certificate("iot:RegisterCertificateWithoutCA", &certificate.id())
        };
        let request = self.client.register_certificate_without_ca();
        // The default is INACTIVE (AWS IoT API reference, RegisterCertificateWithoutCA).
        let request = request.certificate_pem(certificate.to_pem()).status(CertificateStatus::Active);
        let error = match request.send().await {
            Ok(answer) => return registered(&call, answer.certificate_id, answer.certificate_arn).map(Ok),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(RegisterCertificateWithoutCAError::ResourceAlreadyExistsException(e)) => {
                let id = part(&call, "resourceId", e.resource_id())?;
                Ok(Err(CertificateId::named_by_aws(id)))
            }
            _ => Err(call.failed(&self.place, error)),
        }
    }

    /// Does nothing where the policy is attached already.
    pub(crate) async fn attach_policy(
        &self,
        policy: &PolicyName,
        to: &RegisteredCertificate,
    ) -> Result<(), Error> {
        let subject = format!("policy {policy} on certificate {}", to.id);
        let call = Call { action: "iot:AttachPolicy", subject, resource: to.arn.clone() };
        let request = self.client.attach_policy().policy_name(policy.as_str()).target(&to.arn);
        request.send().await.map(drop).map_err(|error| call.failed(&self.place, error))
    }

    /// Does nothing where the certificate is attached already.
    pub(crate) async fn attach_thing_principal(
        &self,
        thing: &ThingName,
        certificate: &RegisteredCertificate,
        attachment: Attachment,
    ) -> Result<(), Error> {
        let subject = format!("certificate {} on thing {thing}", certificate.id);
        let call = Call { action: "iot:AttachThingPrincipal", subject, resource: ANY_RESOURCE.to_owned() };
        let kind = match attachment {
            Attachment::Exclusive => ThingPrincipalType::ExclusiveThing,
            Attachment::Shared => ThingPrincipalType::NonExclusiveThing,
        };
        let request =
            self.client.attach_thing_principal().thing_name(thing.as_str()).principal(&certificate.arn);
        let result = request.thing_principal_type(kind).send().await;
        result.map(drop).map_err(|error| call.failed(&self.place, error))
    }

    /// The host name where devices connect.
    pub(crate) async fn describe_endpoint(&self) -> Result<String, Error> {
        let subject = "the device endpoint".to_owned();
        let call = Call { action: "iot:DescribeEndpoint", subject, resource: ANY_RESOURCE.to_owned() };
        match self.client.describe_endpoint().endpoint_type(ENDPOINT_TYPE).send().await {
            Ok(answer) => part(&call, "endpointAddress", answer.endpoint_address),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }
}

fn on_thing(action: &'static str, thing: &ThingName) -> Call {
    Call { action, subject: format!("thing {thing}"), resource: format!("thing/{thing}") }
}

fn on_policy(action: &'static str, policy: &PolicyName) -> Call {
    Call { action, subject: format!("policy {policy}"), resource: format!("policy/{policy}") }
}

fn on_certificate(action: &'static str, id: &CertificateId) -> Call {
    Call { action, subject: format!("certificate {id}"), resource: format!("cert/{id}") }
}

fn registered(call: &Call, id: Option<String>, arn: Option<String>) -> Result<RegisteredCertificate, Error> {
    let id = CertificateId::named_by_aws(&part(call, "certificateId", id)?);
    Ok(RegisteredCertificate { id, arn: part(call, "certificateArn", arn)? })
}

/// In the SDK's answers everything is optional; what AWS always sends is not.
fn part<T>(call: &Call, missing: &'static str, value: Option<T>) -> Result<T, Error> {
    value.ok_or(Error::Incomplete { action: call.action, missing })
}
