use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts(BTreeMap<RowResult, usize>);

impl Row {
    /// A row with nothing done and nothing known yet.
    pub(super) fn new(source: &str, result: RowResult) -> Self {
        Self {
            source: source.to_owned(),
            thing: String::new(),
            certificate: String::new(),
            endpoint: None,
            result,
            identity: String::new(),
            done: Vec::new(),
            warnings: Vec::new(),
            error: None,
        }
    }
}

impl RowResult {
    /// Each with its name in reports, and as people read it.
    const ALL: [(Self, &str, &str); 7] = [
        (Self::Registered, "registered", "registered"),
        (Self::Unchanged, "unchanged", "unchanged"),
        (Self::Removed, "removed", "removed"),
        (Self::DoneBefore, "doneBefore", "done before"),
        (Self::Refused, "refused", "refused"),
        (Self::Failed, "failed", "failed"),
        (Self::NotTried, "notTried", "not tried"),
    ];

    /// For people.
    pub fn words(self) -> &'static str {
        Self::ALL.iter().find(|(result, ..)| *result == self).map_or("", |(_, _, words)| words)
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(result, ..)| *result == self).map_or("", |(_, name, _)| name)
    }

    /// Whether the device is as it was asked for.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Registered | Self::Unchanged | Self::Removed | Self::DoneBefore)
    }
}

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, result: RowResult) {
        *self.0.entry(result).or_default() += 1;
    }

    /// How many have that result.
    pub fn of(&self, result: RowResult) -> usize {
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
        let told = RowResult::ALL.into_iter().filter(|(result, ..)| {
            // Of a registration, nothing is ever removed.
            *result != RowResult::Removed || self.of(*result) > 0
        });
        let counts: Vec<String> =
            told.map(|(result, _, words)| format!("{} {words}", self.of(result))).collect();
        format!("{} devices: {}", self.total(), counts.join(", "))
    }
}
