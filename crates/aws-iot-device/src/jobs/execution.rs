//! A job as the device sees it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::Error;

/// Most pairs of status details, and the most characters of a name and of a value (UpdateJobExecution, `statusDetails`).
const DETAILS: usize = 10;
const DETAIL_NAME: usize = 128;
const DETAIL_VALUE: usize = 1024;

/// A job of this device: what AWS IoT calls a job execution.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Job {
    /// The job's id.
    #[serde(rename = "jobId")]
    pub id: String,
    /// What is to be done. Presigned URLs of S3 are in it, ready for use: AWS IoT has replaced the placeholders.
    #[serde(rename = "jobDocument", default)]
    pub document: Value,
    /// Its status.
    pub status: JobStatus,
    /// What was last reported with it, perhaps by an earlier run of the program.
    #[serde(default)]
    pub status_details: BTreeMap<String, String>,
    /// Tells several executions of one job on this device apart.
    #[serde(default)]
    pub execution_number: i64,
    /// Counts the updates.
    #[serde(default)]
    pub version_number: i64,
    /// When it was queued, in seconds since 1970.
    #[serde(default)]
    pub queued_at: i64,
    /// When it was started, in seconds since 1970.
    #[serde(default)]
    pub started_at: Option<i64>,
}

/// How far a job is on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum JobStatus {
    /// It waits.
    Queued,
    /// It was started.
    InProgress,
    /// It is done.
    Succeeded,
    /// It could not be done.
    Failed,
    /// A time-out of the job or of its step was over.
    TimedOut,
    /// The device does not take it.
    Rejected,
    /// The device no longer belongs to the job's targets.
    Removed,
    /// An operator has cancelled it.
    Canceled,
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "QUEUED",
            Self::InProgress => "IN_PROGRESS",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Rejected => "REJECTED",
            Self::Removed => "REMOVED",
            Self::Canceled => "CANCELED",
        })
    }
}

/// The jobs that are not ended.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PendingJobs {
    /// Those that were started.
    #[serde(default)]
    pub in_progress_jobs: Vec<JobSummary>,
    /// Those that wait, in their order.
    #[serde(default)]
    pub queued_jobs: Vec<JobSummary>,
}

/// A job without its document.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JobSummary {
    /// The job's id.
    #[serde(rename = "jobId")]
    pub id: String,
    /// When it was queued, in seconds since 1970.
    #[serde(default)]
    pub queued_at: i64,
    /// When it was started, in seconds since 1970.
    #[serde(default)]
    pub started_at: Option<i64>,
}

/// What is said with a status: names and values of the application's own. AWS IoT takes 10 of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusDetails(BTreeMap<String, String>);

impl StatusDetails {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pair: a name of 1 to 128 letters, digits and `:_-`, a value of 1 to 1024 characters without control characters.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    pub(super) fn checked(&self, action: &str) -> Result<Option<Value>, Error> {
        let invalid = |reason: String| Err(Error::Invalid { action: action.to_owned(), reason });
        if self.0.is_empty() {
            return Ok(None);
        }
        if self.0.len() > DETAILS {
            return invalid(format!("{} status details, and AWS IoT takes {DETAILS}", self.0.len()));
        }
        for (name, value) in &self.0 {
            let allowed = |c: char| c.is_ascii_alphanumeric() || ":_-".contains(c);
            if !(1..=DETAIL_NAME).contains(&name.len()) || !name.chars().all(allowed) {
                return invalid(format!(
                    "'{name}' is no name of a status detail: 1 to {DETAIL_NAME} letters, digits and ':_-' are allowed"
                ));
            }
            if !(1..=DETAIL_VALUE).contains(&value.chars().count()) || value.chars().any(char::is_control) {
                return invalid(format!(
                    "the value of the status detail '{name}' has {} characters: 1 to {DETAIL_VALUE} are allowed, and no control \
                     characters",
                    value.chars().count()
                ));
            }
        }
        Ok(Some(self.0.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()))
    }
}
