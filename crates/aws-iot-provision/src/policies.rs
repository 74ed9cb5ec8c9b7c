//! The policies of the account: what they say, who has them, and the change of one for all that have it.

use serde::{Deserialize, Serialize};

use crate::call::{ANY_RESOURCE, on, on_policy, part, unless_missing};
use crate::certificate::PAGE;
use crate::device::Rights;
use crate::error::Error;
use crate::name::{CertificateId, PolicyName};
use crate::plan::Plan;
use crate::provisioner::Provisioner;
use crate::step::{Kind, Step, counted};

/// AWS IoT Core quotas, "Maximum number of versions per policy".
const MOST_VERSIONS: usize = 5;

/// What a policy is to say.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PolicyChange {
    /// The policy.
    pub policy: PolicyName,
    /// What it is to say.
    pub rights: Rights,
    /// Whether the oldest version goes where AWS keeps no more.
    pub delete_oldest_version: bool,
}

impl Provisioner {
    /// The policy's document that is in force, or `None` if there is none of that name.
    ///
    /// # Errors
    /// The call may fail.
    pub async fn get_policy(&self, policy: &PolicyName) -> Result<Option<String>, Error> {
        const ACTION: &str = "iot:GetPolicy";
        let sent = self.client.get_policy().policy_name(policy.as_str()).send();
        let Some(answer) = unless_missing(self.call(on_policy(ACTION, policy), sent).await)? else {
            return Ok(None);
        };
        part(ACTION, "policyDocument", answer.policy_document).map(Some)
    }

    /// As [`Self::get_policy`], and asked once a run where there is one.
    pub(crate) async fn get_shared_policy(&self, policy: &PolicyName) -> Result<Option<String>, Error> {
        self.policies.get(policy.as_str(), self.get_policy(policy)).await
    }

    /// The versions that are not in force, oldest first. AWS numbers versions upwards and never reuses a number. They are
    /// five at most, and the one list of AWS IoT that has no pages.
    pub(crate) async fn old_policy_versions(&self, policy: &PolicyName) -> Result<Vec<String>, Error> {
        let call = on_policy("iot:ListPolicyVersions", policy);
        let sent = self.client.list_policy_versions().policy_name(policy.as_str()).send();
        let versions = self.call(call, sent).await?.policy_versions.unwrap_or_default().into_iter();
        let old = versions.filter(|version| !version.is_default_version);
        let mut ids: Vec<String> = old.filter_map(|version| version.version_id).collect();
        ids.sort_by_key(|id| id.parse::<u64>().unwrap_or(u64::MAX));
        Ok(ids)
    }

    /// What has the policy: ARNs of certificates and thing groups.
    pub(crate) async fn targets_of(&self, policy: &PolicyName) -> Result<Vec<String>, Error> {
        let call = on_policy("iot:ListTargetsForPolicy", policy);
        let pages = self.client.list_targets_for_policy().policy_name(policy.as_str()).page_size(PAGE);
        let sent = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>();
        Ok(unless_missing(self.call(call, sent).await)?.unwrap_or_default())
    }

    /// The names of the policies on the certificate.
    pub(crate) async fn policies_of(&self, id: &CertificateId) -> Result<Vec<String>, Error> {
        let target = self.certificate_arn(id).await?;
        self.attached_policies(format!("certificate {id}"), target, false).await
    }

    /// The names of the policies on the thing group and on the groups above it. Asked once a run.
    pub(crate) async fn policies_of_group(&self, group: &str) -> Result<Vec<String>, Error> {
        let target = self.scope().await?.arn(&format!("thinggroup/{group}"));
        let ask =
            async { self.attached_policies(format!("thing group {group}"), target, true).await.map(Some) };
        Ok(self.group_policies.get(group, ask).await?.unwrap_or_default())
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

    pub(crate) async fn plan_policy_change(
        &self,
        change: &PolicyChange,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let policy = change.policy.clone();
        let wanted = change.rights.document(&plan.scope)?;
        let document = wanted.as_str().to_owned();
        let Some(found) = self.get_policy(&policy).await? else {
            plan.steps.push(Step::CreatePolicy { policy, document });
            return Ok(());
        };
        let targets = self.targets_of(&policy).await?.len();
        if wanted.is_same_as(&found) {
            plan.steps.push(Step::keep(Kind::Policy, policy, format!("{} have it", counted(targets))));
            return Ok(());
        }
        let mut old = self.old_policy_versions(&policy).await?.into_iter();
        if old.len() + 1 >= MOST_VERSIONS
            && let Some(version) = old.next()
        {
            if !change.delete_oldest_version {
                return Err(Error::PolicyVersions { policy, oldest: version });
            }
            plan.steps.push(Step::DeletePolicyVersion { policy: policy.clone(), version });
        }
        plan.steps.push(Step::CreatePolicyVersion { policy, document, targets });
        Ok(())
    }
}
