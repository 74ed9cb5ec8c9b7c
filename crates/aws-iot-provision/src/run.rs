//! The calls that write. Each can be made again: that it took effect and only its answer was lost shows as "exists already"
//! or "not found", which is as good as done.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_iot::operation::register_certificate_without_ca::RegisterCertificateWithoutCAError as RegisterError;
use aws_sdk_iot::types::{AttributePayload, CertificateStatus, ThingPrincipalType};

use crate::call::{ANY_RESOURCE, NOT_FOUND, on, on_certificate, on_policy, on_thing, part, unless_missing};
use crate::device::Attachment;
use crate::error::Error;
use crate::name::{CertificateId, ThingName};
use crate::policy::same_document;
use crate::provisioner::Provisioner;
use crate::step::{Kind, Step};

/// Ours, in milliseconds: half a minute in all. What was made a moment ago may not be found yet, and what was detached may
/// still count as attached ("This call is asynchronous": AWS IoT API reference, DetachThingPrincipal; DetachPolicy: up to
/// five minutes). After that, a repeated run completes it.
const PAUSES: [u64; 7] = [250, 500, 1000, 2000, 4000, 8000, 16000];

const EXISTS: &str = "ResourceAlreadyExistsException";

/// "Thing ... is still attached to one or more principals".
const STILL_ATTACHED: &str = "InvalidRequestException";

/// AWS's code where something that is to be deleted is still in use.
const DELETE_CONFLICT: &str = "DeleteConflictException";

/// A plan that is being run.
pub(crate) struct Run<'a> {
    pub(crate) aws: &'a Provisioner,
    /// The id that AWS gave to the certificate that was registered, where it is another than was computed.
    pub(crate) registered_as: Option<(CertificateId, CertificateId)>,
}

impl Step {
    /// Whether the error passes once AWS has taken notice of an earlier call.
    fn passes(&self, error: &Error) -> bool {
        match self {
            Self::AttachThingPrincipal { again: true, .. } => matches!(error, Error::Refused(_)),
            Self::AddThingToThingGroup { .. }
            | Self::UpdateCertificate { .. }
            | Self::AttachPolicy { .. }
            | Self::AttachThingPrincipal { .. } => error.is(NOT_FOUND),
            Self::DeleteCertificate { .. } | Self::DeletePolicy { .. } => error.is(DELETE_CONFLICT),
            Self::DeleteThing { .. } => error.is(STILL_ATTACHED),
            _ => false,
        }
    }

    /// What comes of it where that error did not pass.
    fn not_passed(&self, error: Error) -> Result<Self, Error> {
        let Self::DeletePolicy { policy } = self else { return Err(error) };
        let note = "AWS still counts what was detached from it, run this again in five minutes";
        Ok(Self::keep(Kind::Policy, policy, note))
    }

    /// Whether it is done where AWS does not find what it is about.
    fn takes_away(&self) -> bool {
        matches!(
            self,
            // AWS's model knows no ResourceNotFoundException here, some servers do.
            Self::DetachPolicy { .. }
                | Self::DetachThingPrincipal { .. }
                | Self::DeleteCertificate { .. }
                | Self::DeleteThing { .. }
                | Self::DeletePolicyVersion { .. }
                | Self::DeletePolicy { .. }
        )
    }
}

impl Run<'_> {
    /// Does one step, and tells what came of it.
    pub(crate) async fn step(&mut self, step: &Step) -> Result<Step, Error> {
        for pause in PAUSES.into_iter().map(Some).chain([None]) {
            // On the heap: the SDK's futures would make this one larger than a thread's stack.
            let ended = Box::pin(self.once(step)).await;
            match (ended, pause) {
                (Err(error), _) if step.takes_away() && error.is(NOT_FOUND) => break,
                (Err(error), Some(pause)) if step.passes(&error) => {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                (Err(error), None) if step.passes(&error) => return step.not_passed(error),
                (ended, _) => return ended,
            }
        }
        Ok(step.clone())
    }

    async fn once(&mut self, step: &Step) -> Result<Step, Error> {
        let aws = self.aws;
        let client = &aws.client;
        match step {
            Step::CreateThing { thing, thing_type, attributes } => {
                let sent = client.create_thing().thing_name(thing.as_str());
                let sent = sent.set_thing_type_name(thing_type.clone());
                let sent = sent.attribute_payload(payload(attributes, false)).send();
                let sent = aws.call(on_thing("iot:CreateThing", thing), sent).await;
                let arn = part("iot:CreateThing", "thingArn", changed(EXISTS, sent)?.thing_arn)?;
                aws.check_account(&arn).await?;
            }
            Step::UpdateThing { thing, attributes } => {
                let sent = client.update_thing().thing_name(thing.as_str());
                let sent = sent.attribute_payload(payload(attributes, true)).send();
                aws.call(on_thing("iot:UpdateThing", thing), sent).await?;
            }
            Step::AddThingToThingGroup { thing, group } => {
                let subject = format!("thing {thing} and thing group {group}");
                let call = on("iot:AddThingToThingGroup", subject, format_args!("thinggroup/{group}"));
                let sent = client.add_thing_to_thing_group().thing_name(thing.as_str());
                aws.call(call, sent.thing_group_name(group).send()).await?;
            }
            Step::CreatePolicy { policy, document } => {
                let sent = client.create_policy().policy_name(policy.as_str()).policy_document(document);
                match aws.call(on_policy("iot:CreatePolicy", policy), sent.send()).await {
                    // By a device that is registered at the same time, or the answer to our own call was lost.
                    Err(error) if error.is(EXISTS) => match aws.get_policy(policy).await? {
                        Some(found) if same_document(&found, document) => {
                            return Ok(Step::keep(Kind::Policy, policy, ""));
                        }
                        _ => return Err(error.into_changed()),
                    },
                    sent => drop(sent?),
                }
            }
            Step::RegisterCertificateWithoutCA { certificate, pem } => {
                self.register(certificate, pem).await?
            }
            Step::UpdateCertificate { certificate, status } => {
                let id = self.id_of(certificate);
                let sent = client.update_certificate().certificate_id(id.as_str());
                let sent = sent.new_status(CertificateStatus::from(status.as_str())).send();
                aws.call(on_certificate("iot:UpdateCertificate", id), sent).await?;
            }
            Step::AttachPolicy { policy, certificate } => {
                let (arn, subject) = self.policy_on(policy, certificate).await?;
                let sent = client.attach_policy().policy_name(policy).target(&arn).send();
                aws.call(on("iot:AttachPolicy", subject, arn), sent).await?;
            }
            Step::DetachPolicy { policy, certificate } => {
                let (arn, subject) = self.policy_on(policy, certificate).await?;
                let sent = client.detach_policy().policy_name(policy).target(&arn).send();
                aws.call(on("iot:DetachPolicy", subject, arn), sent).await?;
            }
            Step::AttachThingPrincipal { thing, certificate, attachment, again } => {
                let id = self.id_of(certificate);
                match again {
                    true => self.attach_otherwise(thing, id, *attachment).await?,
                    false => self.attach(thing, id, *attachment).await?,
                }
            }
            Step::DetachThingPrincipal { thing, certificate } => self.detach(thing, certificate).await?,
            Step::DeleteCertificate { certificate } => {
                let sent = client.delete_certificate().certificate_id(certificate.as_str()).send();
                aws.call(on_certificate("iot:DeleteCertificate", certificate), sent).await?;
            }
            Step::DeleteThing { thing } => {
                let sent = client.delete_thing().thing_name(thing.as_str()).send();
                aws.call(on_thing("iot:DeleteThing", thing), sent).await?;
            }
            Step::CreatePolicyVersion { policy, document, .. } => {
                let sent = client.create_policy_version().policy_name(policy.as_str());
                let sent = sent.policy_document(document).set_as_default(true).send();
                let sent = aws.call(on_policy("iot:CreatePolicyVersion", policy), sent).await;
                changed("VersionsLimitExceededException", sent)?;
            }
            Step::DeletePolicyVersion { policy, version } => {
                let sent = client.delete_policy_version().policy_name(policy.as_str());
                let sent = sent.policy_version_id(version).send();
                aws.call(on_policy("iot:DeletePolicyVersion", policy), sent).await?;
            }
            Step::DeletePolicy { policy } => {
                let sent = client.delete_policy().policy_name(policy.as_str()).send();
                match aws.call(on_policy("iot:DeletePolicy", policy), sent).await {
                    Err(error) if error.is(DELETE_CONFLICT) && !aws.targets_of(policy).await?.is_empty() => {
                        return Ok(Step::keep(Kind::Policy, policy, "another device still has it"));
                    }
                    sent => drop(sent?),
                }
            }
            Step::Keep { .. } => {}
        }
        Ok(step.clone())
    }

    /// What AWS returns is the certificate's id, and not what was computed here.
    async fn register(&mut self, certificate: &CertificateId, pem: &str) -> Result<(), Error> {
        const ACTION: &str = "iot:RegisterCertificateWithoutCA";
        let request = self.aws.client.register_certificate_without_ca().certificate_pem(pem);
        // The default, but moto's is none (AWS IoT API reference, RegisterCertificateWithoutCA).
        let request = request.status(CertificateStatus::Inactive);
        let mut known = None;
        let sent = async {
            let sent = request.send().await;
            if let Err(error) = &sent
                && let Some(RegisterError::ResourceAlreadyExistsException(exists)) = error.as_service_error()
            {
                known = exists.resource_id().map(str::to_owned);
            }
            sent
        };
        let call = on(ACTION, format_args!("certificate {certificate}"), ANY_RESOURCE);
        let sent = self.aws.call(call, sent).await;
        let id = match (sent, known) {
            (Err(error), Some(id)) if error.is(EXISTS) => {
                return Err(Error::RegisteredAs { id: CertificateId::named_by_aws(&id) });
            }
            (sent, _) => part(ACTION, "certificateId", sent?.certificate_id)?,
        };
        self.registered_as = Some((certificate.clone(), CertificateId::named_by_aws(&id)));
        Ok(())
    }

    pub(crate) fn id_of<'a>(&'a self, planned: &'a CertificateId) -> &'a CertificateId {
        match &self.registered_as {
            Some((computed, id)) if computed == planned => id,
            _ => planned,
        }
    }

    /// The certificate's ARN, and both in words.
    async fn policy_on(&self, policy: &str, certificate: &CertificateId) -> Result<(String, String), Error> {
        let id = self.id_of(certificate);
        Ok((self.aws.certificate_arn(id).await?, format!("policy {policy} on certificate {id}")))
    }

    async fn attach(&self, thing: &ThingName, id: &CertificateId, how: Attachment) -> Result<(), Error> {
        let arn = self.aws.certificate_arn(id).await?;
        let call = on("iot:AttachThingPrincipal", format_args!("certificate {id} on thing {thing}"), &arn);
        let kind = match how {
            Attachment::Exclusive => ThingPrincipalType::ExclusiveThing,
            Attachment::Shared => ThingPrincipalType::NonExclusiveThing,
        };
        let request = self.aws.client.attach_thing_principal().thing_name(thing.as_str()).principal(arn);
        self.aws.call(call, request.thing_principal_type(kind).send()).await.map(drop)
    }

    async fn detach(&self, thing: &ThingName, id: &CertificateId) -> Result<(), Error> {
        let arn = self.aws.certificate_arn(id).await?;
        let call = on("iot:DetachThingPrincipal", format_args!("certificate {id} on thing {thing}"), &arn);
        let request = self.aws.client.detach_thing_principal().thing_name(thing.as_str()).principal(arn);
        self.aws.call(call, request.send()).await.map(drop)
    }

    /// AWS's documentation does not say whether an attachment can be changed as it is. It is tried first, so that a device
    /// that is connected keeps its thing, whose name its policy needs; otherwise it is detached for a moment.
    async fn attach_otherwise(
        &self,
        thing: &ThingName,
        id: &CertificateId,
        how: Attachment,
    ) -> Result<(), Error> {
        match self.attach(thing, id, how).await {
            Ok(()) => {
                let things = self.aws.things_of(id).await?;
                if things.contains(&(thing.as_str().to_owned(), Some(how))) {
                    return Ok(());
                }
            }
            Err(Error::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        unless_missing(self.detach(thing, id).await)?;
        self.attach(thing, id, how).await
    }
}

/// With that code, AWS tells that somebody changed what the plan was made from.
fn changed<T>(code: &str, result: Result<T, Error>) -> Result<T, Error> {
    result.map_err(|error| if error.is(code) { error.into_changed() } else { error })
}

fn payload(attributes: &BTreeMap<String, String>, merge: bool) -> AttributePayload {
    let attributes = attributes.clone().into_iter().collect();
    AttributePayload::builder().set_attributes(Some(attributes)).merge(merge).build()
}
