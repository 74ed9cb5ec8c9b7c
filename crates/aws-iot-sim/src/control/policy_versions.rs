//! CreatePolicyVersion, ListPolicyVersions, DeletePolicyVersion.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::body;
use super::respond::{Answer, done};
use crate::registry::{ApiError, PolicyName, Registry};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateVersion {
    policy_document: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Options {
    #[serde(default)]
    set_as_default: bool,
}

pub(super) async fn create(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
    Query(options): Query<Options>,
    bytes: Bytes,
) -> Answer {
    let CreateVersion { policy_document } = body(&bytes)?;
    let name = PolicyName::parse(&name)?;
    let number = registry.create_policy_version(&name, &policy_document, options.set_as_default)?;
    Ok(Json(json!({
        "policyArn": registry.policy(&name)?.arn,
        "policyDocument": policy_document,
        "policyVersionId": number.to_string(),
        "isDefaultVersion": options.set_as_default,
    })))
}

pub(super) async fn list(State(registry): State<Arc<Registry>>, Path(name): Path<String>) -> Answer {
    let policy = registry.policy(&PolicyName::parse(&name)?)?;
    let versions: Vec<Value> = policy
        .versions
        .iter()
        .map(|(number, created)| {
            json!({
                "versionId": number.to_string(),
                "isDefaultVersion": number == policy.versions.in_force(),
                "createDate": created,
            })
        })
        .collect();
    Ok(Json(json!({ "policyVersions": versions })))
}

pub(super) async fn delete(
    State(registry): State<Arc<Registry>>,
    Path((name, number)): Path<(String, String)>,
) -> Answer {
    let wrong = |_| ApiError::invalid(format!("policyVersionId {number:?} must be a number"));
    registry.delete_policy_version(&PolicyName::parse(&name)?, number.parse().map_err(wrong)?)?;
    done()
}
