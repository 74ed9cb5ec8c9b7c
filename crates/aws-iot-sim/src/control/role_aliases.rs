//! CreateRoleAlias, DescribeRoleAlias.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use serde::Deserialize;
use serde_json::json;

use super::request::body;
use super::respond::Answer;
use crate::arn::Scope;
use crate::registry::Registry;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    role_arn: String,
    credential_duration_seconds: Option<u64>,
}

pub(super) async fn create(
    State(registry): State<Arc<Registry>>,
    Extension(scope): Extension<Scope>,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Answer {
    let request: Create = body(&bytes)?;
    let duration = request.credential_duration_seconds;
    let alias = registry.create_role_alias(&name, &request.role_arn, duration, &scope)?;
    Ok(Json(json!({ "roleAlias": name, "roleAliasArn": alias.arn })))
}

pub(super) async fn describe(State(registry): State<Arc<Registry>>, Path(name): Path<String>) -> Answer {
    let alias = registry.role_alias(&name)?;
    Ok(Json(json!({ "roleAliasDescription": {
        "roleAlias": name,
        "roleAliasArn": alias.arn,
        "roleArn": alias.role_arn,
        "credentialDurationSeconds": alias.duration,
    }})))
}
