use std::io;

use device_identity::KeyConfig;
use serde_json::{Value, json};

use super::candidate::Candidate;
use super::spreadsheet::spreadsheet_cell;

/// What came of a fleet's registration, device by device.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// In the order of the list.
    pub rows: Vec<Row>,
}

/// What came of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// Where it stands in the list.
    pub source: String,
    /// The thing's name; empty where it is not known.
    pub thing: String,
    /// The certificate's id; empty where it is not known.
    pub certificate: String,
    /// The key in the chip, as far as it is known.
    pub key: Option<KeyConfig>,
    /// The host name where the device connects, if it is registered.
    pub endpoint: Option<String>,
    /// Whether it is registered.
    pub result: RowResult,
    /// What was found to hold of its identity.
    pub identity: String,
    /// What was done, line by line as a plan writes it.
    pub done: Vec<String>,
    /// Why it is not registered.
    pub error: Option<String>,
}

/// Whether a device is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowResult {
    /// It is, by this run.
    Registered,
    /// It was before.
    Unchanged,
    /// It was registered by an earlier run with this journal.
    DoneBefore,
    /// It must not be: its identity or its entry is wrong. Nothing was asked of AWS.
    Refused,
    /// AWS did not do it.
    Failed,
    /// Its turn did not come.
    NotTried,
}

impl Report {
    /// How many have that result.
    pub fn count(&self, result: RowResult) -> usize {
        self.rows.iter().filter(|row| row.result == result).count()
    }

    /// Whether every device is registered.
    pub fn is_complete(&self) -> bool {
        self.rows.iter().all(|row| row.result.is_good())
    }

    /// One line in plain words.
    pub fn summary(&self) -> String {
        let counts = RowResult::ALL.map(|result| format!("{} {}", self.count(result), result.words()));
        format!("{} devices: {}", self.rows.len(), counts.join(", "))
    }

    /// The report in CSV, with a header.
    ///
    /// # Errors
    /// Never in practice: it is written to memory.
    pub fn to_csv(&self) -> io::Result<Vec<u8>> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["source", "thing", "certificate", "result", "identity", "done", "error"])?;
        for row in &self.rows {
            csv.write_record([
                &row.source,
                &row.thing,
                &row.certificate,
                row.result.name(),
                &row.identity,
                spreadsheet_cell(&row.done.join("; ")).as_ref(),
                row.error.as_deref().unwrap_or_default(),
            ])?;
        }
        csv.into_inner().map_err(csv::IntoInnerError::into_error)
    }

    /// The report in JSON.
    pub fn to_json(&self) -> Value {
        let devices: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "source": row.source, "thingName": row.thing, "certificateId": row.certificate,
                    "endpoint": row.endpoint, "result": row.result.name(), "identity": row.identity, "done": row.done,
                    "error": row.error,
                })
            })
            .collect();
        json!({"summary": self.summary(), "complete": self.is_complete(), "devices": devices})
    }
}

impl Row {
    pub(crate) fn of(candidate: &Candidate, result: RowResult) -> Self {
        Self {
            source: candidate.source.clone(),
            thing: candidate.thing.clone().unwrap_or_default(),
            certificate: candidate.certificate.clone().unwrap_or_default(),
            key: candidate.key.clone(),
            endpoint: None,
            result,
            identity: candidate.result.as_ref().map(|(_, checked)| checked.summary()).unwrap_or_default(),
            done: Vec::new(),
            error: None,
        }
    }
}

impl RowResult {
    const ALL: [Self; 6] =
        [Self::Registered, Self::Unchanged, Self::DoneBefore, Self::Refused, Self::Failed, Self::NotTried];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::DoneBefore => "done before",
            Self::NotTried => "not tried",
            other => other.name(),
        }
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Unchanged => "unchanged",
            Self::DoneBefore => "doneBefore",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::NotTried => "notTried",
        }
    }

    /// Whether the device is registered.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Registered | Self::Unchanged | Self::DoneBefore)
    }
}
