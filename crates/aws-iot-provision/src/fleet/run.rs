//! The devices of a list, one after the other, and what came of each.

use std::cell::RefCell;
use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde::{Deserialize, Serialize};

use super::error::{EntryError, one_line};
use super::intake::Candidate;
use super::report::DoneBefore;
use crate::device::Device;
use crate::error::Error;
use crate::plan::{Applied, Plan, Progress, Purpose};
use crate::provisioner::Provisioner;

/// What came of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Row {
    /// Where it stands in the list.
    pub source: String,
    /// The thing's name; empty where it is not known.
    #[serde(rename = "thingName")]
    pub thing: String,
    /// The certificate's id; empty where it is not known.
    #[serde(rename = "certificateId")]
    pub certificate: String,
    /// The host name where the device connects, if it is registered.
    pub endpoint: Option<String>,
    /// Whether it is registered.
    pub result: RowResult,
    /// What was found to hold of its identity.
    pub identity: String,
    /// What was done, line by line as a plan writes it.
    pub done: Vec<String>,
    /// What should be known of it.
    pub warnings: Vec<String>,
    /// Why it is not registered.
    pub error: Option<String>,
}

/// Whether a device is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RowResult {
    /// It is, by this run.
    Registered,
    /// It was before.
    Unchanged,
    /// Its registration was taken back.
    Removed,
    /// A results file says that it was registered by an earlier run; AWS was not asked.
    DoneBefore,
    /// It must not be: its identity or its entry is wrong. Nothing was asked of AWS.
    Refused,
    /// AWS did not do it.
    Failed,
    /// Its turn did not come.
    NotTried,
}

/// How many devices have which result.
#[derive(Debug, Default)]
pub struct Counts(BTreeMap<RowResult, usize>);

impl RowResult {
    const ALL: [Self; 7] = [
        Self::Registered,
        Self::Unchanged,
        Self::Removed,
        Self::DoneBefore,
        Self::Refused,
        Self::Failed,
        Self::NotTried,
    ];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Unchanged => "unchanged",
            Self::Removed => "removed",
            Self::DoneBefore => "done before",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::NotTried => "not tried",
        }
    }

    /// Whether the device is as it was asked for.
    pub fn is_good(self) -> bool {
        !matches!(self, Self::Refused | Self::Failed | Self::NotTried)
    }
}

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, result: RowResult) {
        *self.0.entry(result).or_default() += 1;
    }

    fn of(&self, result: RowResult) -> usize {
        self.0.get(&result).copied().unwrap_or_default()
    }

    /// How many there are.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// How many are not registered.
    pub fn bad(&self) -> usize {
        self.0.iter().filter(|(result, _)| !result.is_good()).map(|(_, count)| count).sum()
    }

    /// One line in plain words.
    pub fn summary(&self) -> String {
        // Of a registration, nothing is ever removed.
        let told = RowResult::ALL.into_iter().filter(|one| *one != RowResult::Removed || self.of(*one) > 0);
        let counts: Vec<String> = told.map(|one| format!("{} {}", self.of(one), one.words())).collect();
        format!("{} devices: {}", self.total(), counts.join(", "))
    }
}

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

impl Row {
    fn new(source: &str, device: Option<&Device>, result: RowResult) -> Self {
        Self {
            source: source.to_owned(),
            thing: device.map(|device| device.thing.to_string()).unwrap_or_default(),
            certificate: device.map(|device| device.certificate.fingerprint()).unwrap_or_default(),
            endpoint: None,
            result,
            identity: device.map(|device| device.identity.clone()).unwrap_or_default(),
            done: Vec::new(),
            warnings: Vec::new(),
            error: None,
        }
    }

    fn bad(self, result: RowResult, error: &dyn std::error::Error) -> Self {
        Self { result, error: Some(one_line(error)), ..self }
    }

    /// Of what was done, unless the run has stopped. Its result is what it is where something was changed.
    async fn of(self, stop: &Stop, applied: impl Future<Output = Result<Applied, Error>>) -> Self {
        let stopped = stop.0.borrow().clone();
        if let Some(because) = stopped {
            return self.bad(RowResult::NotTried, &EntryError::NotTried { because });
        }
        match applied.await {
            Ok(Applied { plan, steps, .. }) => {
                let changes = steps.iter().filter(|step| step.is_change());
                let done: Vec<String> = changes.map(ToString::to_string).collect();
                let result = if done.is_empty() { RowResult::Unchanged } else { self.result };
                Self { done, result, endpoint: plan.endpoint, warnings: plan.warnings, ..self }
            }
            Err(error) => {
                if error.stops_everything() {
                    stop.0.borrow_mut().get_or_insert_with(|| one_line(&error));
                }
                self.bad(RowResult::Failed, &error)
            }
        }
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
    let mut row = Row::new(&candidate.source, candidate.result.as_ref().ok(), RowResult::Registered);
    let device = match &candidate.result {
        Ok(device) => device,
        Err(error) => {
            row.thing = candidate.thing.clone().unwrap_or_default();
            row.certificate = candidate.certificate.clone().unwrap_or_default();
            return row.bad(RowResult::Refused, error);
        }
    };
    if done_before.has(&row.thing, &row.certificate) {
        return match provisioner.endpoint().await {
            Ok(endpoint) => Row { endpoint: Some(endpoint), result: RowResult::DoneBefore, ..row },
            Err(error) => row.bad(RowResult::Failed, &error),
        };
    }
    row.of(stop, provisioner.run(Purpose::Register(Box::new(device.clone())), on_progress)).await
}

/// Applies one plan of many.
pub async fn apply(provisioner: &Provisioner, plan: &Plan, source: &str, stop: &Stop) -> Row {
    let row = match &plan.purpose {
        Purpose::Remove(removal) => Row {
            thing: removal.thing.as_ref().map(ToString::to_string).unwrap_or_default(),
            ..Row::new(source, None, RowResult::Removed)
        },
        Purpose::Register(device) => Row::new(source, Some(device), RowResult::Registered),
        _ => Row::new(source, None, RowResult::Registered),
    };
    row.of(stop, provisioner.apply(plan, |_| {})).await
}
