//! What is to be done in an account, computed from what is there. Nothing here writes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::arn::ArnScope;
use crate::calls::Provisioner;
use crate::device::Device;
use crate::error::Error;
use crate::policy_change::PolicyChange;
use crate::removal::Removal;
use crate::status::StatusChange;
use crate::step::Step;

/// What is to be done, where, and what for. As JSON it can be kept, shown and applied later.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// Account, region and partition.
    #[serde(flatten)]
    pub scope: ArnScope,
    /// What it was made for. Before a plan is applied that was kept, it is made anew from this.
    #[serde(flatten)]
    pub purpose: Purpose,
    /// The host name where devices connect, where it matters.
    pub endpoint: Option<String>,
    /// What should be known before it is applied.
    pub warnings: Vec<String>,
    /// In the order in which they are done, with what stays as it is.
    pub steps: Vec<Step>,
}

/// What a plan is made for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Purpose {
    /// A device is to be registered.
    Register(Box<Device>),
    /// A registration is to be taken back.
    Remove(Removal),
    /// A policy is to say something else.
    ChangePolicy(PolicyChange),
    /// A certificate is to be activated or deactivated.
    ChangeStatus(StatusChange),
}

impl Plan {
    /// Whether anything is to be changed.
    pub fn changes_anything(&self) -> bool {
        self.steps.iter().any(Step::is_change)
    }

    /// Refuses to do what `shown` does not have. What is done by now may be missing: an apply that was interrupted goes on.
    pub(crate) fn check_shown(&self, shown: &Self) -> Result<(), Error> {
        let new: Vec<String> = self
            .steps
            .iter()
            .filter(|step| step.is_change() && !shown.steps.contains(step))
            .map(|step| step.to_string())
            .collect();
        if new.is_empty() { Ok(()) } else { Err(Error::Stale { steps: new.join("; ") }) }
    }
}

/// Account and region, and the steps line by line.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "account {}, region {}", self.scope.account(), self.scope.region())?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl Provisioner {
    /// What is to be done for that purpose. Nothing is written.
    ///
    /// # Errors
    /// What must not be done is refused: [`Error`] tells why. And every call may fail.
    pub async fn plan(&self, purpose: Purpose) -> Result<Plan, Error> {
        let scope = self.scope().await?.clone();
        let mut plan = Plan { scope, purpose, endpoint: None, warnings: Vec::new(), steps: Vec::new() };
        match plan.purpose.clone() {
            Purpose::Register(device) => self.plan_registration(&device, None, &mut plan).await?,
            Purpose::Remove(removal) => self.plan_removal(&removal, &mut plan).await?,
            Purpose::ChangePolicy(change) => self.plan_policy_change(&change, &mut plan).await?,
            Purpose::ChangeStatus(change) => self.plan_status_change(&change, &mut plan).await?,
        }
        Ok(plan)
    }
}
