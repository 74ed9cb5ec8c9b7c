//! What is to be done in an account, computed from what is there; and how it is run. The calls that write stand with the steps.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::account::ArnScope;
use crate::certificate::StatusChange;
use crate::device::Device;
use crate::error::Error;
use crate::name::CertificateId;
use crate::policies::PolicyChange;
use crate::provisioner::Provisioner;
use crate::removal::Removal;
use crate::run::Run;
use crate::step::{Kind, Step};

/// How often a plan is made anew while others change the same things.
const ATTEMPTS: usize = 3;

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

/// A plan that was applied.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Applied {
    /// The plan that was run last: where somebody else changed the account in between, it was made anew.
    pub plan: Plan,
    /// What was done, in the order in which it was done, with what stayed as it was.
    pub steps: Vec<Step>,
    /// The id of the device's certificate, as AWS named it; of a registration only.
    pub certificate_id: Option<CertificateId>,
}

/// What is told while a plan is made and run.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// This plan is run now. Told again where it was made anew, since somebody changed the account.
    Planned(&'a Plan),
    /// This step is done.
    Done(&'a Step),
}

impl Plan {
    /// The steps that change something.
    pub fn changes(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.is_change())
    }

    /// Whether anything is to be changed.
    pub fn changes_anything(&self) -> bool {
        self.changes().next().is_some()
    }

    /// The certificate of the device that is registered: its step comes before those of others.
    fn certificate(&self) -> Option<CertificateId> {
        let mut described = self.steps.iter().map(Step::describe);
        let own = described.find(|step| step.kind == Kind::Certificate)?;
        matches!(self.purpose, Purpose::Register(_)).then(|| CertificateId::named_by_aws(own.name))
    }

    /// Refuses to do what `shown` does not have. What is done by now may be missing: an apply that was interrupted goes on.
    fn check_shown(&self, shown: &Self) -> Result<(), Error> {
        let new = self.changes().filter(|step| !shown.steps.contains(step));
        let new: Vec<String> = new.map(ToString::to_string).collect();
        if new.is_empty() { Ok(()) } else { Err(Error::Stale { steps: new.join("; ") }) }
    }
}

/// Account and region, and the steps line by line.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.scope)?;
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
        // On the heap, as the steps' futures are.
        match plan.purpose.clone() {
            Purpose::Register(device) => Box::pin(self.plan_registration(&device, None, &mut plan)).await?,
            Purpose::Remove(removal) => Box::pin(self.plan_removal(&removal, &mut plan)).await?,
            Purpose::ChangePolicy(change) => Box::pin(self.plan_policy_change(&change, &mut plan)).await?,
            Purpose::ChangeStatus(change) => Box::pin(self.plan_status_change(&change, &mut plan)).await?,
        }
        Ok(plan)
    }

    /// Plans and applies at once, and tells the plan and each step when it is done. Safe to repeat, also after an error: what is there as
    /// it should be is left as it is.
    ///
    /// # Errors
    /// As [`Self::plan`], and every call may fail.
    pub async fn run(
        &self,
        purpose: Purpose,
        on_progress: impl FnMut(Progress<'_>),
    ) -> Result<Applied, Error> {
        let plan = self.plan(purpose).await?;
        self.go(plan, None, on_progress).await
    }

    /// Applies a plan that was shown: that one, and nothing that it does not have. It is compared with the account first; what
    /// is done by now is left out.
    ///
    /// # Errors
    /// [`Error::OtherAccount`] where it was made for another account or region, [`Error::Stale`] where something else is to do
    /// by now; and every call may fail.
    pub async fn apply(&self, shown: &Plan, on_progress: impl FnMut(Progress<'_>)) -> Result<Applied, Error> {
        let scope = self.scope().await?;
        if *scope != shown.scope {
            let wanted = format!("{} of the plan", shown.scope);
            return Err(Error::OtherAccount { found: scope.to_string(), wanted });
        }
        let plan = self.plan(shown.purpose.clone()).await?;
        self.go(plan, Some(shown), on_progress).await
    }

    async fn go(
        &self,
        mut plan: Plan,
        shown: Option<&Plan>,
        mut on_progress: impl FnMut(Progress<'_>),
    ) -> Result<Applied, Error> {
        let (mut steps, mut attempts) = (Vec::new(), 1);
        loop {
            if let Some(shown) = shown {
                plan.check_shown(shown)?;
            }
            on_progress(Progress::Planned(&plan));
            let mut run = Run { aws: self, registered_as: None };
            let ended = async {
                for step in &plan.steps {
                    let step = run.step(step).await?;
                    tracing::debug!(%step, "done");
                    on_progress(Progress::Done(&step));
                    steps.push(step);
                }
                Ok(())
            };
            let ended = ended.await;
            let known_as = match ended {
                Ok(()) => {
                    let certificate_id = plan.certificate().map(|id| run.id_of(&id).clone());
                    return Ok(Applied { plan, steps, certificate_id });
                }
                Err(Error::RegisteredAs { id }) if attempts < ATTEMPTS => Some(id),
                Err(Error::Changed(_)) if attempts < ATTEMPTS => None,
                Err(error) => return Err(error),
            };
            attempts += 1;
            tracing::info!(?known_as, "the account has changed; planning again");
            steps.retain(Step::is_change);
            plan = match (&plan.purpose, known_as) {
                (Purpose::Register(device), Some(id)) => {
                    let mut again = Plan { warnings: Vec::new(), steps: Vec::new(), ..plan.clone() };
                    Box::pin(self.plan_registration(device, Some(&id), &mut again)).await?;
                    again
                }
                (purpose, _) => self.plan(purpose.clone()).await?,
            };
        }
    }
}
