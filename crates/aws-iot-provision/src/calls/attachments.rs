use aws_sdk_iot::types::ThingPrincipalType;

use super::pages::Page;
use super::{ANY_RESOURCE, ControlPlane, NOT_FOUND, PAGE, RegisteredCertificate, is, on, on_thing};
use crate::device::Attachment;
use crate::error::Error;
use crate::failed_call::Call;
use crate::name::{PolicyName, ThingName};

/// A thing to which a certificate is attached.
#[derive(Debug, Clone)]
pub(crate) struct AttachedThing {
    pub(crate) name: String,
    /// How, where AWS says it.
    pub(crate) attachment: Option<Attachment>,
}

impl ControlPlane {
    /// Does nothing where the policy is attached already.
    pub(crate) async fn attach_policy(
        &self,
        policy: &PolicyName,
        to: &RegisteredCertificate,
    ) -> Result<(), Error> {
        let call = on_both("iot:AttachPolicy", policy.as_str(), to);
        let request = self.client.attach_policy().policy_name(policy.as_str()).target(&to.arn);
        let result = self.send(&call, || request.clone().send()).await;
        result.map(drop).map_err(|error| call.failed(&self.place, error))
    }

    /// Done where it is not attached. AWS's model knows no ResourceNotFoundException here, some servers do.
    pub(crate) async fn detach_policy(
        &self,
        policy: &str,
        from: &RegisteredCertificate,
    ) -> Result<(), Error> {
        let call = on_both("iot:DetachPolicy", policy, from);
        let request = self.client.detach_policy().policy_name(policy).target(&from.arn);
        match self.send(&call, || request.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) if is(&error, NOT_FOUND) => Ok(()),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// The names of the policies on the certificate.
    pub(crate) async fn policies_of(
        &self,
        certificate: &RegisteredCertificate,
    ) -> Result<Vec<String>, Error> {
        let subject = format!("certificate {}", certificate.id);
        let call = on("iot:ListAttachedPolicies", subject, ANY_RESOURCE);
        let request = self.client.list_attached_policies().target(&certificate.arn).page_size(PAGE);
        let page = |marker| {
            let request = request.clone().set_marker(marker);
            async move {
                let answer = request.send().await?;
                Ok(Page { items: answer.policies, next: answer.next_marker })
            }
        };
        match self.all_pages(&call, page).await {
            Ok(policies) => Ok(policies.into_iter().filter_map(|policy| policy.policy_name).collect()),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// Does nothing where the certificate is attached so already.
    pub(crate) async fn attach_thing_principal(
        &self,
        thing: &ThingName,
        certificate: &RegisteredCertificate,
        attachment: Attachment,
    ) -> Result<(), Error> {
        let subject = format!("certificate {} on thing {thing}", certificate.id);
        let call = on("iot:AttachThingPrincipal", subject, ANY_RESOURCE);
        let kind = match attachment {
            Attachment::Exclusive => ThingPrincipalType::ExclusiveThing,
            Attachment::Shared => ThingPrincipalType::NonExclusiveThing,
        };
        let request =
            self.client.attach_thing_principal().thing_name(thing.as_str()).principal(&certificate.arn);
        let request = request.thing_principal_type(kind);
        let result = self.send(&call, || request.clone().send()).await;
        result.map(drop).map_err(|error| call.failed(&self.place, error))
    }

    /// Done where it is not attached.
    pub(crate) async fn detach_thing_principal(
        &self,
        thing: &ThingName,
        certificate: &RegisteredCertificate,
    ) -> Result<(), Error> {
        let subject = format!("certificate {} on thing {thing}", certificate.id);
        let call = on("iot:DetachThingPrincipal", subject, ANY_RESOURCE);
        let request =
            self.client.detach_thing_principal().thing_name(thing.as_str()).principal(&certificate.arn);
        match self.send(&call, || request.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) if is(&error, NOT_FOUND) => Ok(()),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// The things to which the certificate is attached, and how. IAM knows this call as the older ListPrincipalThings,
    /// which does not tell how.
    pub(crate) async fn things_of(
        &self,
        certificate: &RegisteredCertificate,
    ) -> Result<Vec<AttachedThing>, Error> {
        let subject = format!("certificate {}", certificate.id);
        let call = on("iot:ListPrincipalThings", subject, &certificate.arn);
        let request = self.client.list_principal_things_v2().principal(&certificate.arn).max_results(PAGE);
        let page = |token| {
            let request = request.clone().set_next_token(token);
            async move {
                let answer = request.send().await?;
                Ok(Page { items: answer.principal_thing_objects, next: answer.next_token })
            }
        };
        match self.all_pages(&call, page).await {
            Ok(things) => Ok(things
                .into_iter()
                .map(|thing| AttachedThing {
                    name: thing.thing_name,
                    attachment: thing.thing_principal_type.as_ref().and_then(attachment),
                })
                .collect()),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// The ARNs of the certificates (and other principals) that are attached to the thing.
    pub(crate) async fn principals_of(&self, thing: &ThingName) -> Result<Vec<String>, Error> {
        let call = on_thing("iot:ListThingPrincipals", thing);
        let request = self.client.list_thing_principals().thing_name(thing.as_str()).max_results(PAGE);
        let page = |token| {
            let request = request.clone().set_next_token(token);
            async move {
                let answer = request.send().await?;
                Ok(Page { items: answer.principals, next: answer.next_token })
            }
        };
        match self.all_pages(&call, page).await {
            Ok(principals) => Ok(principals),
            Err(error) if is(&error, NOT_FOUND) => Ok(Vec::new()),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }
}

fn attachment(kind: &ThingPrincipalType) -> Option<Attachment> {
    match kind {
        ThingPrincipalType::ExclusiveThing => Some(Attachment::Exclusive),
        ThingPrincipalType::NonExclusiveThing => Some(Attachment::Shared),
        _ => None,
    }
}

fn on_both(action: &'static str, policy: &str, certificate: &RegisteredCertificate) -> Call {
    on(action, format!("policy {policy} on certificate {}", certificate.id), &certificate.arn)
}
