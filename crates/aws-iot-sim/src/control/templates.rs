//! CreateProvisioningTemplate.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use serde::Deserialize;
use serde_json::json;

use super::request::body;
use super::respond::Answer;
use crate::arn::Scope;
use crate::registry::{ApiError, Registry, Template};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    template_name: String,
    template_body: String,
    #[serde(default)]
    enabled: bool,
}

pub(super) async fn create(
    State(registry): State<Arc<Registry>>,
    Extension(scope): Extension<Scope>,
    bytes: Bytes,
) -> Answer {
    let Create { template_name, template_body, enabled } = body(&bytes)?;
    let template = serde_json::from_str(&template_body)
        .map_err(|error| ApiError::invalid(format!("templateBody is no JSON: {error}")))?;
    registry.create_template(&template_name, Template { body: template, enabled })?;
    let arn = scope.arn(format_args!("provisioningtemplate/{template_name}"));
    Ok(Json(json!({ "templateArn": arn, "templateName": template_name, "defaultVersionId": 1 })))
}
