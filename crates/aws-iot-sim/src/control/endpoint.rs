//! DescribeEndpoint.

use axum::Json;
use axum::extract::Query;
use serde::Deserialize;
use serde_json::json;

use super::respond::Answer;
use crate::registry::ApiError;
use crate::tls::ENDPOINT;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Describe {
    endpoint_type: Option<String>,
}

pub(super) async fn describe(Query(query): Query<Describe>) -> Answer {
    match query.endpoint_type.as_deref() {
        Some("iot:Data-ATS" | "iot:CredentialProvider") => Ok(Json(json!({ "endpointAddress": ENDPOINT }))),
        // AWS answers with its legacy endpoint, whose certificate comes from a CA that devices no longer trust:
        // the mistake must show here, not in the field.
        None | Some("iot:Data") => Err(ApiError::invalid(
            "aws-iot-sim has no legacy endpoint: ask for the endpoint type iot:Data-ATS explicitly",
        )
        .into()),
        Some(other) => {
            Err(ApiError::invalid(format!("endpoint type {other} is not recognized, or not simulated"))
                .into())
        }
    }
}
