use aws_sdk_iot::types::ThingPrincipalType;

use super::{ANY_RESOURCE, ControlPlane, NOT_FOUND, RegisteredCertificate, is, on, on_thing};
use crate::device::Attachment;
use crate::error::Error;
use crate::failed_call::Call;
use crate::name::{PolicyName, ThingName};

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

    /// The names of the policies on the certificate; AWS allows ten, so they are on one page.
    pub(crate) async fn policies_of(
        &self,
        certificate: &RegisteredCertificate,
    ) -> Result<Vec<String>, Error> {
        let subject = format!("certificate {}", certificate.id);
        let call = on("iot:ListAttachedPolicies", subject, &certificate.arn);
        let request = self.client.list_attached_policies().target(&certificate.arn);
        match self.send(&call, || request.clone().send()).await {
            Ok(answer) => {
                let policies = answer.policies.unwrap_or_default().into_iter();
                Ok(policies.filter_map(|policy| policy.policy_name).collect())
            }
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// Does nothing where the certificate is attached already.
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

    /// The things to which the certificate is attached. One page: a second thing is already one too many.
    pub(crate) async fn things_of(&self, certificate: &RegisteredCertificate) -> Result<Vec<String>, Error> {
        let subject = format!("certificate {}", certificate.id);
        let call = on("iot:ListPrincipalThings", subject, ANY_RESOURCE);
        let request = self.client.list_principal_things().principal(&certificate.arn);
        match self.send(&call, || request.clone().send()).await {
            Ok(answer) => Ok(answer.things.unwrap_or_default()),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// The ARNs of the certificates (and other principals) that are attached to the thing. One page of 25 and more.
    pub(crate) async fn principals_of(&self, thing: &ThingName) -> Result<Vec<String>, Error> {
        let call = on_thing("iot:ListThingPrincipals", thing);
        let request = self.client.list_thing_principals().thing_name(thing.as_str());
        match self.send(&call, || request.clone().send()).await {
            Ok(answer) => Ok(answer.principals.unwrap_or_default()),
            Err(error) if is(&error, NOT_FOUND) => Ok(Vec::new()),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }
}

fn on_both(action: &'static str, policy: &str, certificate: &RegisteredCertificate) -> Call {
    on(action, format!("policy {policy} on certificate {}", certificate.id), &certificate.arn)
}
