use tokio::task::JoinSet;

use super::candidate::Candidate;
use super::error::{EntryError, FleetError, one_line};
use super::journal::{Done, Journal};
use super::report::{Report, Row, RowResult};
use crate::change::Change;
use crate::device::Device;
use crate::error::Error;
use crate::provisioner::{Provisioned, Provisioner};

/// How often a device is begun anew after an answer that may be better a moment later. Each of its calls has been tried
/// several times by then.
const ROUNDS: u32 = 3;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Devices of which the result is known.
    pub finished: usize,
    /// Of these, the ones that are not registered.
    pub bad: usize,
    /// All devices.
    pub total: usize,
}

/// Registers a fleet, `concurrency` devices at a time, and tells each result. One bad device never stops the others;
/// a missing permission or credential does, since it would stop each of them.
///
/// # Errors
/// When the journal cannot be written: nothing more is done that could not be recorded.
pub async fn run(
    provisioner: &Provisioner,
    candidates: &[Candidate],
    journal: &mut Journal,
    concurrency: usize,
    mut on_row: impl FnMut(&Row, Progress),
) -> Result<Report, FleetError> {
    let mut rows: Vec<Option<Row>> = candidates.iter().map(|candidate| early(candidate, journal)).collect();
    let mut progress = Progress { finished: 0, bad: 0, total: rows.len() };
    for row in rows.iter().flatten() {
        progress.count(row);
        on_row(row, progress);
    }
    let mut waiting: Vec<(usize, u32, Device)> = candidates
        .iter()
        .zip(&rows)
        .enumerate()
        .filter_map(|(index, (candidate, row))| {
            let device = candidate.result.as_ref().ok().map(|(device, _)| device.clone())?;
            row.is_none().then_some((index, 1, device))
        })
        .collect();
    waiting.reverse();

    let mut running: JoinSet<(usize, u32, Device, Result<Provisioned, Error>)> = JoinSet::new();
    let mut stopped: Option<String> = None;
    loop {
        while stopped.is_none() && running.len() < concurrency.max(1) {
            let Some((index, round, device)) = waiting.pop() else { break };
            let provisioner = provisioner.clone();
            running.spawn(async move {
                let result = provisioner.apply(&device).await;
                (index, round, device, result)
            });
        }
        let Some(joined) = running.join_next().await else { break };
        let Ok((index, round, device, result)) = joined else { continue };
        if let Err(error) = &result {
            if error.is_transient() && round < ROUNDS && stopped.is_none() {
                waiting.insert(0, (index, round + 1, device));
                continue;
            }
            if stops_everything(error) {
                stopped.get_or_insert_with(|| one_line(error));
            }
        }
        let (Some(candidate), Some(place)) = (candidates.get(index), rows.get_mut(index)) else { continue };
        let row = late(candidate, &result);
        progress.count(&row);
        // Told first: what the listener writes of a device is there for each one that the journal counts.
        on_row(&row, progress);
        let done = row.endpoint.clone().map(|endpoint| Done { changes: row.done.clone(), endpoint });
        let outcome = done.as_ref().ok_or(row.error.as_deref().unwrap_or_default());
        journal.record(&row.thing, &row.certificate, outcome)?;
        *place = Some(row);
    }
    let because = stopped.unwrap_or_else(|| "a task of it ended early".to_owned());
    let not_tried = |candidate: &Candidate| Row {
        error: Some(EntryError::NotTried { because: because.clone() }.to_string()),
        ..Row::of(candidate, RowResult::NotTried)
    };
    let rows = rows.into_iter().zip(candidates);
    Ok(Report { rows: rows.map(|(row, candidate)| row.unwrap_or_else(|| not_tried(candidate))).collect() })
}

impl Progress {
    fn count(&mut self, row: &Row) {
        self.finished += 1;
        self.bad += usize::from(!row.result.is_good());
    }
}

/// What is known without asking AWS.
fn early(candidate: &Candidate, journal: &Journal) -> Option<Row> {
    match &candidate.result {
        Err(error) => Some(Row { error: Some(one_line(error)), ..Row::of(candidate, RowResult::Refused) }),
        Ok((device, _)) => {
            let done = journal.done(device.thing.as_str(), &device.certificate.fingerprint())?;
            Some(Row {
                done: done.changes.clone(),
                endpoint: Some(done.endpoint.clone()),
                ..Row::of(candidate, RowResult::DoneBefore)
            })
        }
    }
}

fn late(candidate: &Candidate, result: &Result<Provisioned, Error>) -> Row {
    match result {
        Ok(provisioned) => {
            let changed: Vec<String> = provisioned
                .changes
                .iter()
                .filter(|change| change.is_change())
                .map(Change::to_string)
                .collect();
            let result = if changed.is_empty() { RowResult::Unchanged } else { RowResult::Registered };
            Row { done: changed, endpoint: Some(provisioned.endpoint.clone()), ..Row::of(candidate, result) }
        }
        Err(error) => Row { error: Some(one_line(error)), ..Row::of(candidate, RowResult::Failed) },
    }
}

/// What would go wrong with every device in the same way.
fn stops_everything(error: &Error) -> bool {
    matches!(
        error,
        Error::NoRegion
            | Error::Configuration(_)
            | Error::Credentials(_)
            | Error::NotAuthenticated(_)
            | Error::Clock(_)
            | Error::NotActivated(_)
            | Error::NotAws(_)
            | Error::AccessDenied(_)
    )
}
