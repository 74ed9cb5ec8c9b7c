//! A policy is to say something else, for all that have it.

use serde::{Deserialize, Serialize};

use crate::calls::Provisioner;
use crate::device::Rights;
use crate::error::Error;
use crate::name::PolicyName;
use crate::plan::Plan;
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

/// What a policy says, and what it is to say.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PolicyDifference {
    /// The version in force, in lines; none where there is no such policy.
    pub before: Option<String>,
    /// What is wanted, in lines.
    pub after: String,
}

impl Provisioner {
    pub(crate) async fn plan_policy_change(
        &self,
        change: &PolicyChange,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let policy = &change.policy;
        let document = change.rights.document(&plan.scope)?;
        let Some(found) = self.get_policy(policy).await? else {
            let document = document.as_str().to_owned();
            plan.steps.push(Step::CreatePolicy { policy: policy.clone(), document });
            return Ok(());
        };
        let targets = self.targets_of(policy).await?.len();
        if document.is_same_as(&found) {
            plan.steps.push(Step::keep(Kind::Policy, policy, format!("{} have it", counted(targets))));
            return Ok(());
        }
        let old = self.old_policy_versions(policy).await?;
        if let Some(oldest) = old.first().filter(|_| old.len() + 1 >= MOST_VERSIONS) {
            if !change.delete_oldest_version {
                return Err(Error::PolicyVersions { policy: policy.clone(), oldest: oldest.clone() });
            }
            let version = oldest.clone();
            plan.steps.push(Step::DeletePolicyVersion { policy: policy.clone(), version });
        }
        let document = document.as_str().to_owned();
        plan.steps.push(Step::CreatePolicyVersion { policy: policy.clone(), document, targets });
        Ok(())
    }

    /// What a policy says, beside what it is to say; both as JSON in the same dress.
    ///
    /// # Errors
    /// The call may fail.
    pub async fn policy_difference(
        &self,
        change: &PolicyChange,
        plan: &Plan,
    ) -> Result<PolicyDifference, Error> {
        let pretty = |text: &str| match serde_json::from_str::<serde_json::Value>(text) {
            Ok(value) => format!("{value:#}\n"),
            Err(_) => format!("{text}\n"),
        };
        let found = self.get_policy(&change.policy).await?;
        Ok(PolicyDifference {
            before: found.as_deref().map(pretty),
            after: pretty(change.rights.document(&plan.scope)?.as_str()),
        })
    }
}
