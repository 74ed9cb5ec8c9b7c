use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use aws_sdk_iot::types::ThingPrincipalType;

use super::{ANY_RESOURCE, PAGE, Provisioner, on, on_thing, unless_missing};
use crate::certificate::CertificateId;
use crate::device::Attachment;
use crate::error::Error;
use crate::name::ThingName;

/// A thing to which a certificate is attached.
#[derive(Debug, Clone)]
pub(crate) struct AttachedThing {
    pub(crate) name: String,
    /// How, where AWS says it.
    pub(crate) attachment: Option<Attachment>,
}

impl Provisioner {
    /// The ARN of a certificate in this account.
    pub(crate) async fn certificate_arn(&self, id: &CertificateId) -> Result<String, Error> {
        Ok(self.scope().await?.arn(&format!("cert/{id}")))
    }

    /// The names of the policies on the certificate.
    pub(crate) async fn policies_of(&self, id: &CertificateId) -> Result<Vec<String>, Error> {
        let target = self.certificate_arn(id).await?;
        self.attached_policies(format!("certificate {id}"), target, false).await
    }

    /// The names of the policies on the thing group and on the groups above it. Asked once a run.
    pub(crate) async fn policies_of_group(&self, group: &str) -> Result<Vec<String>, Error> {
        let mut shared = self.shared.lock().await;
        if let Some(known) = shared.group_policies.get(group) {
            return Ok(known.clone());
        }
        let target = self.scope().await?.arn(&format!("thinggroup/{group}"));
        let policies = self.attached_policies(format!("thing group {group}"), target, true).await?;
        shared.group_policies.insert(group.to_owned(), policies.clone());
        Ok(policies)
    }

    /// [`Self::policies_of_group`] of the groups that have some.
    pub(crate) async fn policies_by_group(
        &self,
        groups: &[String],
    ) -> Result<BTreeMap<String, Vec<String>>, Error> {
        let mut by_group = BTreeMap::new();
        for group in groups {
            let policies = self.policies_of_group(group).await?;
            if !policies.is_empty() {
                by_group.insert(group.clone(), policies);
            }
        }
        Ok(by_group)
    }

    async fn attached_policies(
        &self,
        subject: String,
        target: String,
        recursive: bool,
    ) -> Result<Vec<String>, Error> {
        let call = on("iot:ListAttachedPolicies", subject, ANY_RESOURCE);
        let pages = self.client.list_attached_policies().target(target).recursive(recursive).page_size(PAGE);
        let sent = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>();
        let policies = self.call(call, sent).await?;
        Ok(policies.into_iter().filter_map(|policy| policy.policy_name).collect())
    }

    /// The things to which the certificate is attached, and how. Older partitions, moto and ministack know only the older
    /// ListPrincipalThings, which does not tell how.
    pub(crate) async fn things_of(&self, id: &CertificateId) -> Result<Vec<AttachedThing>, Error> {
        let arn = self.certificate_arn(id).await?;
        let subject = format!("certificate {id}");
        if !self.without_v2.load(Ordering::Relaxed) {
            let call = on("iot:ListPrincipalThingsV2", &subject, &arn);
            let pages = self.client.list_principal_things_v2().principal(&arn).max_results(PAGE);
            let sent = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>();
            match self.call(call, sent).await {
                Ok(things) => {
                    let attached = |thing: aws_sdk_iot::types::PrincipalThingObject| AttachedThing {
                        name: thing.thing_name,
                        attachment: thing.thing_principal_type.as_ref().and_then(attachment),
                    };
                    return Ok(things.into_iter().map(attached).collect());
                }
                // ministack answers InvalidRequestException to a path that it does not know.
                Err(error) if error.is_about_the_call() || error.is("InvalidRequestException") => {
                    tracing::debug!(%error, "ListPrincipalThings instead of ListPrincipalThingsV2");
                }
                Err(error) => return Err(error),
            }
        }
        let call = on("iot:ListPrincipalThings", &subject, &arn);
        let pages = self.client.list_principal_things().principal(&arn).max_results(PAGE);
        let sent = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>();
        let names = unless_missing(self.call(call, sent).await)?.unwrap_or_default();
        self.without_v2.store(true, Ordering::Relaxed);
        Ok(names.into_iter().map(|name| AttachedThing { name, attachment: None }).collect())
    }

    /// The certificates that are attached to the thing. Other principals (Amazon Cognito) are left out.
    pub(crate) async fn certificates_of(&self, thing: &ThingName) -> Result<Vec<CertificateId>, Error> {
        let call = on_thing("iot:ListThingPrincipals", thing);
        let pages = self.client.list_thing_principals().thing_name(thing.as_str()).max_results(PAGE);
        let sent = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>();
        let principals = unless_missing(self.call(call, sent).await)?.unwrap_or_default();
        Ok(principals.iter().filter_map(|arn| CertificateId::in_arn(arn)).collect())
    }
}

fn attachment(kind: &ThingPrincipalType) -> Option<Attachment> {
    match kind {
        ThingPrincipalType::ExclusiveThing => Some(Attachment::Exclusive),
        ThingPrincipalType::NonExclusiveThing => Some(Attachment::Shared),
        _ => None,
    }
}
