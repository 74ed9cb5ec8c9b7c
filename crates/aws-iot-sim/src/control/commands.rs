//! CreateCommand, StartCommandExecution, GetCommandExecution.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mqtt5_protocol::{Properties, QoS};
use serde::Deserialize;
use serde_json::json;

use super::request::body;
use super::respond::Answer;
use crate::arn::Scope;
use crate::broker::{CloudMessage, Hub};
use crate::registry::{ApiError, Command, Registry};

#[derive(Deserialize)]
struct Create {
    payload: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    content: String,
    content_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    target_arn: String,
    command_arn: String,
    execution_timeout_seconds: Option<u64>,
}

pub(super) async fn create(
    State(registry): State<Arc<Registry>>,
    Extension(scope): Extension<Scope>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Answer {
    let Create { payload: Payload { content, content_type } } = body(&bytes)?;
    let payload = STANDARD.decode(content).map_err(|_| ApiError::invalid("payload.content is no base64"))?;
    let arn = registry.create_command(&id, Command { content_type, payload: payload.into() }, &scope)?;
    Ok(Json(json!({ "commandId": id, "commandArn": arn })))
}

/// Sends the command to the device; a session that the broker keeps for it holds it until the time-out is over.
pub(super) async fn start(
    State(registry): State<Arc<Registry>>,
    State(hub): State<Arc<Hub>>,
    Extension(scope): Extension<Scope>,
    bytes: Bytes,
) -> Answer {
    let Start { target_arn, command_arn, execution_timeout_seconds } = body(&bytes)?;
    let (execution, command) =
        registry.start_execution(&command_arn, &target_arn, execution_timeout_seconds, &scope)?;
    // AWS IoT Core developer guide, "Reserved topics", commands: other formats have no last level.
    let format = match command.content_type.as_str() {
        "application/json" => "/json",
        "application/cbor" => "/cbor",
        _ => "",
    };
    let topic =
        format!("$aws/commands/things/{}/executions/{}/request{format}", execution.thing, execution.id);
    let mut properties = Properties::new();
    properties.set_content_type(command.content_type);
    properties.set_message_expiry_interval(u32::try_from(execution.timeout.as_secs()).unwrap_or(u32::MAX));
    let (qos, retain) = (QoS::AtLeastOnce, false);
    hub.publish(CloudMessage { topic: &topic, payload: command.payload, qos, retain, properties })?;
    Ok(Json(json!({ "executionId": execution.id })))
}

pub(super) async fn execution(State(registry): State<Arc<Registry>>, Path(id): Path<String>) -> Answer {
    let execution = registry.execution(&id)?;
    Ok(Json(json!({
        "executionId": execution.id,
        "commandArn": execution.command_arn,
        "targetArn": execution.target_arn,
        "status": execution.status(),
        "statusReason": execution.reason,
        "result": execution.result,
        "executionTimeoutSeconds": execution.timeout.as_secs(),
        "createdAt": execution.created,
        "lastUpdatedAt": execution.updated,
    })))
}
