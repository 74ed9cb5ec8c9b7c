//! The operations of the data plane that reach devices, Publish and SendDirectMessage, and the one that tells whether a device is
//! connected, GetConnection (`aws iot-data`).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use mqtt5_protocol::{Properties, QoS};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::respond::{Answer, done};
use crate::broker::{CloudFault, CloudMessage, Hub};
use crate::registry::{ApiError, ApiErrorKind};

/// How long SendDirectMessage waits for the PUBACK unless the request says so, in seconds. The model of the AWS SDK says
/// 1 to 15 and no default.
const CONFIRMATION_SECONDS: u64 = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Publish {
    #[serde(default)]
    qos: u8,
    #[serde(default)]
    retain: bool,
    content_type: Option<String>,
    response_topic: Option<String>,
    /// Seconds.
    message_expiry: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendDirectMessage {
    topic: String,
    #[serde(default)]
    confirmation: bool,
    /// Seconds.
    timeout: Option<u64>,
    content_type: Option<String>,
    response_topic: Option<String>,
}

pub(super) async fn publish(
    State(hub): State<Arc<Hub>>,
    Path(topic): Path<String>,
    Query(query): Query<Publish>,
    payload: Bytes,
) -> Answer {
    let qos = match query.qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        other => return Err(ApiError::invalid(format!("qos {other} must be 0 or 1")).into()),
    };
    let mut properties = properties(query.content_type, query.response_topic);
    if let Some(seconds) = query.message_expiry {
        properties.set_message_expiry_interval(seconds);
    }
    hub.publish(CloudMessage { topic: &topic, payload, qos, retain: query.retain, properties })?;
    done()
}

pub(super) async fn send_direct_message(
    State(hub): State<Arc<Hub>>,
    Path(client_id): Path<String>,
    Query(query): Query<SendDirectMessage>,
    payload: Bytes,
) -> Answer {
    let properties = properties(query.content_type, query.response_topic);
    let message =
        CloudMessage { topic: &query.topic, payload, qos: QoS::AtLeastOnce, retain: false, properties };
    let acknowledged = Arc::<Notify>::default();
    hub.send_direct(&client_id, message, Arc::clone(&acknowledged))?;
    if query.confirmation {
        let patience = Duration::from_secs(query.timeout.unwrap_or(CONFIRMATION_SECONDS));
        if timeout(patience, acknowledged.notified()).await.is_err() {
            let message = format!("client {client_id:?} sent no PUBACK within {patience:?}");
            return Err(ApiError::new(ApiErrorKind::GatewayTimeout, message).into());
        }
    }
    Ok(Json(json!({ "message": "OK" })))
}

pub(super) async fn get_connection(State(hub): State<Arc<Hub>>, Path(client_id): Path<String>) -> Answer {
    let Some(reason) = hub.connection(&client_id) else {
        let message = format!("client {client_id:?} has not connected");
        return Err(ApiError::new(ApiErrorKind::ResourceNotFound, message).into());
    };
    Ok(Json(json!({
        "clientId": client_id,
        "connected": reason.is_none(),
        "disconnectReason": reason,
    })))
}

fn properties(content_type: Option<String>, response_topic: Option<String>) -> Properties {
    let mut properties = Properties::new();
    if let Some(content_type) = content_type {
        properties.set_content_type(content_type);
    }
    if let Some(topic) = response_topic {
        properties.set_response_topic(topic);
    }
    properties
}

impl From<CloudFault> for ApiError {
    fn from(fault: CloudFault) -> Self {
        let kind = match fault {
            CloudFault::Topic(..) => ApiErrorKind::InvalidRequest,
            CloudFault::TooLarge => ApiErrorKind::RequestEntityTooLarge,
            CloudFault::NotConnected(_) => ApiErrorKind::ResourceNotFound,
            CloudFault::NotAllowed(..) => ApiErrorKind::Forbidden,
        };
        Self::new(kind, fault.to_string())
    }
}

impl From<CloudFault> for super::respond::Failure {
    fn from(fault: CloudFault) -> Self {
        Self(fault.into())
    }
}
