//! A plan is run: the steps in their order, each told when it is done.

use crate::arn::ArnScope;
use crate::calls::Provisioner;
use crate::certificate::CertificateId;
use crate::error::Error;
use crate::plan::{Plan, Purpose};
use crate::step::{Run, Step};

/// How often a plan is made anew while others change the same things.
const ATTEMPTS: usize = 3;

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

impl Provisioner {
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
            let of = |scope: &ArnScope| format!("account {}, region {}", scope.account(), scope.region());
            return Err(Error::OtherAccount {
                found: of(scope),
                wanted: format!("{} of the plan", of(&shown.scope)),
            });
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
            let ended = Self::steps(&plan, &mut run, &mut steps, &mut on_progress).await;
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
                    self.plan_registration(device, Some(&id), &mut again).await?;
                    again
                }
                (purpose, _) => self.plan(purpose.clone()).await?,
            };
        }
    }

    async fn steps(
        plan: &Plan,
        run: &mut Run<'_>,
        done: &mut Vec<Step>,
        on_progress: &mut impl FnMut(Progress<'_>),
    ) -> Result<(), Error> {
        for step in &plan.steps {
            let step = run.step(step).await?;
            tracing::debug!(%step, "done");
            on_progress(Progress::Done(&step));
            done.push(step);
        }
        Ok(())
    }
}
