//! TestAuthorization: what the policies of a certificate say of an action, without a connection.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::body;
use super::respond::Answer;
use crate::policy::{Action, Decision};
use crate::registry::{ApiError, CertificateId, Registry};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TestAuthorization {
    principal: String,
    auth_infos: Vec<AuthInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthInfo {
    action_type: String,
    resources: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Client {
    #[serde(default)]
    client_id: String,
}

pub(super) async fn test(
    State(registry): State<Arc<Registry>>,
    Query(Client { client_id }): Query<Client>,
    bytes: Bytes,
) -> Answer {
    let request: TestAuthorization = body(&bytes)?;
    let certificate = registry.certificate_of_arn(&request.principal)?;
    let results: Result<Vec<Value>, ApiError> = request
        .auth_infos
        .iter()
        .map(|info| {
            let decision = decide(&registry, &certificate, &client_id, info)?;
            Ok(json!({
                "authInfo": { "actionType": info.action_type, "resources": info.resources },
                "authDecision": decision,
                "missingContextValues": [],
            }))
        })
        .collect();
    Ok(Json(json!({ "authResults": results? })))
}

/// All resources have to be allowed, and one that is denied decides.
fn decide(
    registry: &Registry,
    certificate: &CertificateId,
    client_id: &str,
    info: &AuthInfo,
) -> Result<&'static str, ApiError> {
    let action = match info.action_type.as_str() {
        "CONNECT" => Action::Connect,
        "PUBLISH" => Action::Publish,
        "RECEIVE" => Action::Receive,
        "SUBSCRIBE" => Action::Subscribe,
        other => return Err(ApiError::invalid(format!("actionType {other:?} is unknown"))),
    };
    let mut decision = "ALLOWED";
    for arn in &info.resources {
        // arn:PARTITION:iot:REGION:ACCOUNT:KIND/NAME
        let resource = arn.splitn(6, ':').nth(5).and_then(|resource| resource.split_once('/'));
        let (_, name) = resource.ok_or_else(|| ApiError::invalid(format!("{arn:?} is no ARN")))?;
        match registry.authorize(certificate, client_id, action, name) {
            Decision::Allowed => {}
            Decision::NotAllowed => decision = "IMPLICIT_DENY",
            Decision::Denied => return Ok("EXPLICIT_DENY"),
        }
    }
    Ok(decision)
}
