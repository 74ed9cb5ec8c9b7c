//! Commands, and what devices make of them (AWS IoT developer guide, "AWS IoT Device Management commands").

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::thing::random_uuid;
use super::{ApiError, ApiErrorKind, Registry, ThingName, now};
use crate::arn::Scope;

/// How long an execution may take unless StartCommandExecution says so ("Commands concepts and status", default time-out).
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest (AWS IoT API reference, `executionTimeoutSeconds`): 12 hours.
const LONGEST_TIMEOUT: u64 = 43_200;

/// What may be sent to devices.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) content_type: String,
    pub(crate) payload: Bytes,
}

/// One command on one device.
#[derive(Debug, Clone)]
pub(crate) struct Execution {
    pub(crate) id: String,
    pub(crate) command_arn: String,
    pub(crate) target_arn: String,
    pub(crate) thing: ThingName,
    pub(crate) timeout: Duration,
    pub(crate) created: f64,
    pub(crate) updated: f64,
    status: String,
    pub(crate) reason: Option<Value>,
    pub(crate) result: Option<Value>,
}

/// UpdateCommandExecution, as a device sends it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExecutionUpdate {
    status: String,
    status_reason: Option<Value>,
    result: Option<Value>,
}

impl Execution {
    /// The status; the cloud's own TIMED_OUT is none that stays: a device that comes late may still report ("AWS IoT Commands
    /// Troubleshooting").
    pub(crate) fn status(&self) -> &str {
        let is_open = matches!(self.status.as_str(), "CREATED" | "IN_PROGRESS");
        if is_open && now() > self.created + self.timeout.as_secs_f64() { "TIMED_OUT" } else { &self.status }
    }
}

impl Registry {
    /// Creates a command, and returns its ARN.
    pub(crate) fn create_command(
        &self,
        id: &str,
        command: Command,
        scope: &Scope,
    ) -> Result<String, ApiError> {
        let arn = scope.arn(format_args!("command/{id}"));
        let mut state = self.state();
        if state.commands.contains_key(&arn) {
            let message = format!("command {id} exists already");
            return Err(ApiError::new(ApiErrorKind::ResourceAlreadyExists, message));
        }
        state.commands.insert(arn.clone(), command);
        Ok(arn)
    }

    /// Starts a command on a thing.
    pub(crate) fn start_execution(
        &self,
        command_arn: &str,
        target_arn: &str,
        timeout: Option<u64>,
        scope: &Scope,
    ) -> Result<(Execution, Command), ApiError> {
        let seconds = timeout.unwrap_or(TIMEOUT.as_secs());
        if !(1..=LONGEST_TIMEOUT).contains(&seconds) {
            return Err(ApiError::invalid(format!(
                "executionTimeoutSeconds {seconds} must be 1 to {LONGEST_TIMEOUT}"
            )));
        }
        let thing = target_arn.strip_prefix(scope.arn("thing/").as_str());
        let thing = ThingName::parse(
            thing.ok_or_else(|| ApiError::invalid(format!("{target_arn:?} is not the ARN of a thing")))?,
        )?;
        let mut state = self.state();
        let command = state.commands.get(command_arn).cloned();
        let command = command.ok_or_else(|| ApiError::not_found(format_args!("command {command_arn}")))?;
        if !state.things.contains_key(&thing) {
            return Err(ApiError::not_found(format_args!("thing {thing}")));
        }
        let created = now();
        let execution = Execution {
            id: random_uuid()?,
            command_arn: command_arn.to_owned(),
            target_arn: target_arn.to_owned(),
            thing,
            timeout: Duration::from_secs(seconds),
            created,
            updated: created,
            status: "CREATED".to_owned(),
            reason: None,
            result: None,
        };
        state.executions.insert(execution.id.clone(), execution.clone());
        Ok((execution, command))
    }

    /// The execution of that id.
    pub(crate) fn execution(&self, id: &str) -> Result<Execution, ApiError> {
        let execution = self.state().executions.get(id).cloned();
        execution.ok_or_else(|| ApiError::not_found(format_args!("command execution {id}")))
    }

    /// Takes a device's report. The error is a code of the MQTT API, and its message (AWS's device SDKs, `RejectedErrorCode`).
    pub(crate) fn update_execution(
        &self,
        thing: &str,
        id: &str,
        update: ExecutionUpdate,
    ) -> Result<(), (&'static str, String)> {
        let mut state = self.state();
        let Some(execution) =
            state.executions.get_mut(id).filter(|execution| execution.thing.as_str() == thing)
        else {
            return Err(("ResourceNotFound", format!("there is no execution {id} of {thing}")));
        };
        let status = update.status.as_str();
        // A device's TIMED_OUT is final.
        if !matches!(status, "IN_PROGRESS" | "SUCCEEDED" | "FAILED" | "REJECTED" | "TIMED_OUT") {
            return Err(("InvalidRequest", format!("a device cannot set the status {status:?}")));
        }
        if !matches!(execution.status.as_str(), "CREATED" | "IN_PROGRESS") {
            let message = format!("the execution is {}", execution.status);
            return Err(("InvalidStateTransition", message));
        }
        if let Some(reason) = &update.status_reason {
            check_reason(reason)?;
        }
        execution.status = update.status;
        execution.reason = update.status_reason;
        execution.result = update.result;
        execution.updated = now();
        Ok(())
    }
}

/// AWS IoT API reference, StatusReason: the code is `[A-Z0-9_-]{1,64}`, the description has at most 1024 characters and no
/// control characters.
fn check_reason(reason: &Value) -> Result<(), (&'static str, String)> {
    let text = |name: &str| reason.get(name).and_then(Value::as_str).unwrap_or_default();
    let (code, description) = (text("reasonCode"), text("reasonDescription"));
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if !(1..=64).contains(&code.len()) || !code.bytes().all(allowed) {
        return Err(("InvalidRequest", format!("reasonCode {code:?} does not match [A-Z0-9_-]{{1,64}}")));
    }
    if description.chars().count() > 1024 || description.chars().any(char::is_control) {
        return Err((
            "InvalidRequest",
            "reasonDescription is too long, or has control characters".to_owned(),
        ));
    }
    Ok(())
}
