//! Answers in AWS's form: JSON, and the error's name in a header (AWS rest-json protocol).

use axum::Json;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::registry::{ApiError, ApiErrorKind};

/// What a handler answers: JSON, or a failure in AWS's form.
pub(super) type Answer = Result<Json<Value>, Failure>;

/// A error on its way to the caller.
#[derive(Debug)]
pub(super) struct Failure(pub(super) ApiError);

/// The answer of operations that return nothing.
pub(super) fn done() -> Answer {
    Ok(Json(json!({})))
}

/// Every path and method that is not simulated.
pub(super) async fn unknown_operation(uri: Uri) -> Failure {
    let message = format!("{} is not simulated: see the table in the README of aws-iot-sim", uri.path());
    Failure(ApiError::new(ApiErrorKind::UnknownOperation, message))
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(error) = self;
        tracing::warn!(error = error.kind.name(), message = error.message, "control plane refuses");
        let status = StatusCode::from_u16(error.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = json!({ "message": error.message });
        if let (Some((id, arn)), Some(fields)) = (error.resource, body.as_object_mut()) {
            fields.insert("resourceId".to_owned(), id.into());
            fields.insert("resourceArn".to_owned(), arn.into());
        }
        (status, [("x-amzn-errortype", error.kind.name())], Json(body)).into_response()
    }
}
