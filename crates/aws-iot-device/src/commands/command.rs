//! A command, and what became of it.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_iot_mqtt::bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::Error;

/// Longest reason code and longest description, in characters (StatusReason).
const REASON_CODE: usize = 64;
const REASON_DESCRIPTION: usize = 1024;

/// What the device is to do: a command execution.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Command {
    /// The id of the execution: each is run once.
    pub execution: String,
    /// What is to be done, in the format that the operator has chosen.
    pub payload: Bytes,
    /// That format, such as `application/json`.
    pub content_type: Option<String>,
    /// How much time is left until AWS IoT gives the execution the status TIMED_OUT.
    pub timeout: Option<Duration>,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandResult {
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<(String, String)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    values: BTreeMap<String, String>,
}

impl CommandResult {
    /// It is done.
    pub fn succeeded() -> Self {
        Self::of("SUCCEEDED")
    }

    /// It could not be done. The code has 1 to 64 capital letters, digits and `_-`, such as `DEVICE_TOO_BUSY`; the description
    /// has at most 1024 characters, where longer ones are cut.
    pub fn failed(code: &str, description: &str) -> Self {
        Self::of("FAILED").because(code, description)
    }

    /// The device does not take it, for example because it does not know the command. Code and description as for
    /// [`Self::failed`].
    pub fn rejected(code: &str, description: &str) -> Self {
        Self::of("REJECTED").because(code, description)
    }

    /// Adds a reason: code and description as for [`Self::failed`].
    #[must_use]
    pub fn because(mut self, code: &str, description: &str) -> Self {
        // AWS IoT takes no control characters (StatusReason, `[^\p{C}]*`).
        let description = description.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
        self.reason = Some((code.to_owned(), description.take(REASON_DESCRIPTION).collect()));
        self
    }

    /// Adds a value, which the operator finds in the execution's result.
    #[must_use]
    pub fn value(mut self, name: &str, value: &str) -> Self {
        self.values.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(super) fn in_progress() -> Self {
        Self::of("IN_PROGRESS")
    }

    fn of(status: &str) -> Self {
        Self { status: status.to_owned(), reason: None, values: BTreeMap::new() }
    }

    pub(super) fn status(&self) -> &str {
        &self.status
    }

    /// The request of UpdateCommandExecution.
    pub(super) fn checked(&self, action: &str) -> Result<Map<String, Value>, Error> {
        let mut payload = Map::new();
        payload.insert("status".to_owned(), self.status.as_str().into());
        if let Some((code, description)) = &self.reason {
            let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || "_-".contains(c);
            if !(1..=REASON_CODE).contains(&code.len()) || !code.chars().all(allowed) {
                return Err(Error::Invalid {
                    action: action.to_owned(),
                    reason: format!(
                        "'{code}' is no reason code: 1 to {REASON_CODE} capital letters, digits and '_-' are allowed"
                    ),
                });
            }
            let reason = json!({"reasonCode": code, "reasonDescription": description});
            payload.insert("statusReason".to_owned(), reason);
        }
        if !self.values.is_empty() {
            let values = self.values.iter().map(|(name, value)| (name.clone(), json!({ "S": value })));
            payload.insert("result".to_owned(), Value::Object(values.collect()));
        }
        Ok(payload)
    }
}
