use super::{PAGE, Provisioner, on_policy, part, unless_missing};
use crate::error::Error;
use crate::name::PolicyName;

impl Provisioner {
    /// The policy's document that is in force, or `None` if there is none of that name.
    pub(crate) async fn get_policy(&self, policy: &PolicyName) -> Result<Option<String>, Error> {
        const ACTION: &str = "iot:GetPolicy";
        let sent = self.client.get_policy().policy_name(policy.as_str()).send();
        let Some(answer) = unless_missing(self.call(on_policy(ACTION, policy), sent).await)? else {
            return Ok(None);
        };
        part(ACTION, "policyDocument", answer.policy_document).map(Some)
    }

    /// As [`Self::get_policy`], and asked once a run where there is one.
    pub(crate) async fn get_shared_policy(&self, policy: &PolicyName) -> Result<Option<String>, Error> {
        let mut shared = self.shared.lock().await;
        if let Some(known) = shared.policies.get(policy) {
            return Ok(Some(known.clone()));
        }
        let found = self.get_policy(policy).await?;
        if let Some(found) = &found {
            shared.policies.insert(policy.clone(), found.clone());
        }
        Ok(found)
    }

    /// The versions that are not in force, oldest first. AWS numbers versions upwards and never reuses a number. They are
    /// five at most, and the one list of AWS IoT that has no pages.
    pub(crate) async fn old_policy_versions(&self, policy: &PolicyName) -> Result<Vec<String>, Error> {
        let call = on_policy("iot:ListPolicyVersions", policy);
        let sent = self.client.list_policy_versions().policy_name(policy.as_str()).send();
        let answer = self.call(call, sent).await?;
        let versions = answer.policy_versions.unwrap_or_default().into_iter();
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
}
