use std::collections::HashMap;
use std::sync::Arc;

use aws_config::SdkConfig;
use tokio::sync::Mutex;

use crate::calls::{ControlPlane, RegisteredCertificate};
use crate::certificate::CertificateId;
use crate::change::{Action, Change, Subject};
use crate::device::{Device, Rights, Settings, Status};
use crate::error::Error;
use crate::name::{PolicyName, ThingName};
use crate::pace::Pace;
use crate::plan::{
    Found, Plan, Presence, change_of_attachment, check_owner, check_status, made, policy_state,
    wanted_document,
};
use crate::policy::PolicyDocument;

/// How often a new policy version is tried while others make versions too.
const VERSION_ATTEMPTS: usize = 5;

/// Registers devices with AWS IoT Core's control plane, in one account and region. Clones share their pace.
#[derive(Debug, Clone)]
pub struct Provisioner {
    pub(crate) aws: ControlPlane,
    /// The policies that are as they should be, with what they say. Held while one is looked at and made, so that devices
    /// that are registered at the same time make one version together and not one each.
    policies: Arc<Mutex<HashMap<PolicyName, Rights>>>,
    /// How many certificates and groups have a policy that says something else: listed once, and not for each device.
    targets: Arc<Mutex<HashMap<PolicyName, usize>>>,
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
    /// Whether the certificate lets the device in already.
    pub status: Status,
    /// The policy on the certificate.
    pub policy: PolicyName,
    /// The host name where the device connects (`iot:Data-ATS`).
    pub endpoint: String,
    /// What was done, in the order in which it was done.
    pub changes: Vec<Change>,
}

impl Provisioner {
    /// A provisioner for the account and region of this configuration (see [`aws_client_config`]).
    ///
    /// [`aws_client_config`]: crate::aws_client_config
    ///
    /// # Errors
    /// [`Error::NoRegion`]. Credentials are looked for by the first call.
    pub fn new(config: &SdkConfig) -> Result<Self, Error> {
        Ok(Self { aws: ControlPlane::new(config)?, policies: Arc::default(), targets: Arc::default() })
    }

    /// Begins with that many calls a second for each operation, and tries each call up to so many times.
    #[must_use]
    pub fn paced(mut self, calls_per_second: f64, attempts: u32) -> Self {
        self.aws = self.aws.paced(Pace::new(calls_per_second), attempts);
        self
    }

    /// What it does and where, in one line: two runs with the same line do the same.
    pub fn describe(&self, settings: &Settings) -> String {
        format!("{}, {}", settings.describe(), self.aws.place())
    }

    /// What would be done. Nothing is written.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub async fn plan(&self, device: &Device) -> Result<Plan, Error> {
        let found = self.look(device).await?;
        let others = match found.policy {
            Presence::Differs => self.others_with_policy(device, &found).await?,
            _ => 0,
        };
        Ok(found.plan(device, others))
    }

    /// Registers a device. Safe to repeat, also after an error: what is there as it should be is left as it is.
    ///
    /// # Errors
    /// Every call may fail; [`Error`] tells them apart. A certificate that belongs to another thing or is in another
    /// status is refused before anything is written.
    pub async fn apply(&self, device: &Device) -> Result<Provisioned, Error> {
        self.apply_with(device, |_| {}).await
    }

    /// As [`apply`](Self::apply), and tells each change when it is done.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub async fn apply_with(
        &self,
        device: &Device,
        on_change: impl FnMut(&Change),
    ) -> Result<Provisioned, Error> {
        let found = self.look(device).await?;
        let settings = &device.settings;
        let mut done = Done { changes: Vec::new(), on_change };

        let thing_arn = self.thing(device, &found).await?;
        for group in &found.missing_groups {
            self.aws.add_to_group(&device.thing, group).await?;
        }
        found.changes_of_thing(device).into_iter().for_each(|change| done.tell(change));

        let action = self.policy(device, found.policy, &thing_arn).await?;
        done.tell(Change::new(Subject::Policy(settings.policy.clone()), action));

        let Certificate { registered: certificate, action, on_thing } = match &found.certificate {
            Some(known) => Certificate {
                registered: known.registered.clone(),
                action: Action::Keep(known.status.clone()),
                on_thing: found.thing_attachment,
            },
            None => self.register(device).await?,
        };
        done.tell(Change::new(Subject::Certificate(certificate.id.clone()), action));
        if !found.policy_attached {
            self.aws.attach_policy(&settings.policy, &certificate).await?;
        }
        done.tell(made(Subject::PolicyAttachment(settings.policy.to_string()), found.policy_attached));
        match on_thing {
            Presence::Same => {}
            Presence::Missing => self.attach(device, &certificate).await?,
            Presence::Differs => self.attach_otherwise(device, &certificate).await?,
        }
        done.tell(change_of_attachment(device, on_thing));

        let endpoint = self.aws.describe_endpoint().await?;
        done.tell(Change::new(Subject::Endpoint(endpoint.clone()), Action::Keep("looked up".to_owned())));

        Ok(Provisioned {
            thing: device.thing.clone(),
            thing_arn,
            certificate_id: certificate.id,
            certificate_arn: certificate.arn,
            status: settings.status,
            policy: settings.policy.clone(),
            endpoint,
            changes: done.changes,
        })
    }

    async fn look(&self, device: &Device) -> Result<Found, Error> {
        let settings = &device.settings;
        let policy_made = self.policies.lock().await.get(&settings.policy) == Some(&settings.rights);
        Found::look(&self.aws, device, policy_made).await
    }

    /// How many have the device's policy beside its own certificate.
    async fn others_with_policy(&self, device: &Device, found: &Found) -> Result<usize, Error> {
        let policy = &device.settings.policy;
        let mut targets = self.targets.lock().await;
        let all = match targets.get(policy) {
            Some(all) => *all,
            None => {
                let all = self.aws.targets_of(policy).await?.len();
                targets.insert(policy.clone(), all);
                all
            }
        };
        Ok(all.saturating_sub(usize::from(found.policy_attached)))
    }

    /// The thing's ARN, once it is there with its attributes. The marker among them is written before the certificate is.
    async fn thing(&self, device: &Device, found: &Found) -> Result<String, Error> {
        let attributes = found.attributes_to_set(device);
        match &found.thing {
            None => {
                let thing_type = device.settings.thing_type.as_deref();
                self.aws.create_thing(&device.thing, thing_type, &attributes).await
            }
            Some(thing) => {
                if !attributes.is_empty() {
                    self.aws.set_attributes(&device.thing, &attributes).await?;
                }
                Ok(thing.arn.clone())
            }
        }
    }

    async fn policy(&self, device: &Device, found: Presence, thing_arn: &str) -> Result<Action, Error> {
        let policy = &device.settings.policy;
        let mut made = self.policies.lock().await;
        if made.get(policy) == Some(&device.settings.rights) {
            return Ok(Action::Keep(String::new()));
        }
        let document = wanted_document(device, thing_arn)?;
        let created = found == Presence::Missing && self.aws.create_policy(policy, &document).await?;
        let state = if found == Presence::Missing && !created {
            // Somebody else was faster, or the answer to our own call was lost.
            policy_state(&self.aws, device).await?
        } else {
            found
        };
        let action = match state {
            _ if created => Action::Create,
            Presence::Differs => self.new_version(policy, &document).await?,
            _ => Action::Keep(String::new()),
        };
        made.insert(policy.clone(), device.settings.rights.clone());
        Ok(action)
    }

    async fn new_version(&self, policy: &PolicyName, document: &PolicyDocument) -> Result<Action, Error> {
        let mut how = "a new version, in force at once".to_owned();
        for _ in 0..VERSION_ATTEMPTS {
            if self.aws.create_policy_version(policy, document).await? {
                return Ok(Action::Update(how));
            }
            let old = self.aws.old_policy_versions(policy).await?;
            let Some(oldest) = old.first() else { break };
            self.aws.delete_policy_version(policy, oldest).await?;
            how = format!("a new version, in force at once; version {oldest}, the oldest, went for it");
        }
        Err(Error::PolicyVersions { policy: policy.clone() })
    }

    /// What AWS returns or names is the certificate's id, and not what was computed here.
    async fn register(&self, device: &Device) -> Result<Certificate, Error> {
        let status = device.settings.status;
        let named = match self.aws.register_certificate_without_ca(&device.certificate, status).await? {
            Ok(registered) => {
                return Ok(Certificate { registered, action: Action::Create, on_thing: Presence::Missing });
            }
            Err(named) => named,
        };
        let missing = Error::Incomplete { action: "iot:DescribeCertificate", missing: "certificate" };
        let found = self.aws.describe_certificate(&named).await?.ok_or(missing)?;
        check_status(device, &found)?;
        let on_thing = check_owner(device, &found, &self.aws.things_of(&found.registered).await?)?;
        let action = Action::Keep(found.status.clone());
        Ok(Certificate { registered: found.registered, action, on_thing })
    }
}

/// The device's certificate, once it is registered.
struct Certificate {
    registered: RegisteredCertificate,
    action: Action,
    /// How it is on the thing so far.
    on_thing: Presence,
}

struct Done<F> {
    changes: Vec<Change>,
    on_change: F,
}

impl<F: FnMut(&Change)> Done<F> {
    fn tell(&mut self, change: Change) {
        tracing::debug!(%change, "done");
        (self.on_change)(&change);
        self.changes.push(change);
    }
}
