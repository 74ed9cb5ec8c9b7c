use std::cell::RefCell;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::candidate::Candidate;
use super::error::{EntryError, one_line};
use super::report::DoneBefore;
use super::row::{Row, RowResult};
use crate::apply::{Applied, Progress};
use crate::calls::Provisioner;
use crate::error::Error;
use crate::plan::{Plan, Purpose};
use crate::step::Step;

/// Does the jobs, `concurrency` at a time, and tells their results in the jobs' order.
///
/// # Errors
/// Those of `on_result`: nothing more is begun that could not be recorded.
pub async fn in_order<J, F, E>(
    jobs: impl IntoIterator<Item = J>,
    concurrency: usize,
    work: impl Fn(J) -> F,
    mut on_result: impl FnMut(F::Output) -> Result<(), E>,
) -> Result<(), E>
where
    F: Future,
{
    let mut results = std::pin::pin!(stream::iter(jobs).map(work).buffered(concurrency.max(1)));
    while let Some(result) = results.next().await {
        on_result(result)?;
    }
    Ok(())
}

/// Whether a run has to stop: one bad device never stops the others, but what would go wrong with each of them does, such as
/// a missing permission.
#[derive(Debug, Default)]
pub struct Stop(RefCell<Option<String>>);

impl Stop {
    fn see(&self, error: &Error) {
        if error.stops_everything() {
            self.0.borrow_mut().get_or_insert_with(|| one_line(error));
        }
    }

    /// Why the next one is not tried.
    fn not_tried(&self) -> Option<String> {
        let because = self.0.borrow().clone()?;
        Some(EntryError::NotTried { because }.to_string())
    }
}

/// Registers one device of a fleet.
pub async fn register(
    provisioner: &Provisioner,
    candidate: &Candidate,
    done_before: &DoneBefore,
    stop: &Stop,
    on_progress: impl FnMut(Progress<'_>),
) -> Row {
    let row = |result| Row {
        thing: candidate.thing.clone().unwrap_or_default(),
        certificate: candidate.certificate.clone().unwrap_or_default(),
        identity: candidate.result.as_ref().map(|(_, checked)| checked.summary()).unwrap_or_default(),
        ..Row::new(&candidate.source, result)
    };
    let device = match &candidate.result {
        Err(error) => return Row { error: Some(one_line(error)), ..row(RowResult::Refused) },
        Ok((device, _)) => device,
    };
    if done_before.has(device.thing.as_str(), &device.certificate.fingerprint()) {
        return match provisioner.endpoint().await {
            Ok(endpoint) => Row { endpoint: Some(endpoint), ..row(RowResult::DoneBefore) },
            Err(error) => Row { error: Some(one_line(&error)), ..row(RowResult::Failed) },
        };
    }
    if let Some(error) = stop.not_tried() {
        return Row { error: Some(error), ..row(RowResult::NotTried) };
    }
    let purpose = Purpose::Register(Box::new(device.clone()));
    ended(provisioner.run(purpose, on_progress).await, stop, row(RowResult::Registered))
}

/// Applies one plan of many.
pub async fn apply(provisioner: &Provisioner, plan: &Plan, source: &str, stop: &Stop) -> Row {
    let mut row = Row::new(source, RowResult::Registered);
    match &plan.purpose {
        Purpose::Register(device) => {
            row.thing = device.thing.to_string();
            row.certificate = device.certificate.fingerprint();
            row.identity.clone_from(&device.identity);
        }
        Purpose::Remove(removal) => {
            row.thing = removal.thing.as_ref().map(ToString::to_string).unwrap_or_default();
            row.result = RowResult::Removed;
        }
        _ => {}
    }
    if let Some(error) = stop.not_tried() {
        return Row { result: RowResult::NotTried, error: Some(error), ..row };
    }
    ended(provisioner.apply(plan, |_| {}).await, stop, row)
}

/// `row` is what it is where something was changed.
fn ended(result: Result<Applied, Error>, stop: &Stop, row: Row) -> Row {
    match result {
        Ok(applied) => {
            let done: Vec<String> =
                applied.steps.iter().filter(|step| step.is_change()).map(Step::to_string).collect();
            let result = if done.is_empty() { RowResult::Unchanged } else { row.result };
            Row { done, result, endpoint: applied.plan.endpoint, warnings: applied.plan.warnings, ..row }
        }
        Err(error) => {
            stop.see(&error);
            Row { error: Some(one_line(&error)), result: RowResult::Failed, ..row }
        }
    }
}
