//! STS GetCallerIdentity on the same endpoint, so that a client can ask for the account id.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::arn::Scope;
use crate::registry::Registry;

/// Answers a request of the AWS query protocol, whose body is a form (AWS STS API reference).
pub(super) async fn call(
    State(registry): State<Arc<Registry>>,
    Extension(scope): Extension<Scope>,
    bytes: Bytes,
) -> Response {
    let form = String::from_utf8_lossy(&bytes);
    let action = form.split('&').find_map(|field| field.strip_prefix("Action="));
    let (status, xml) = match action {
        Some("GetCallerIdentity") => (StatusCode::OK, identity(&registry, &scope)),
        _ => (StatusCode::BAD_REQUEST, INVALID_ACTION.to_owned()),
    };
    (status, [(CONTENT_TYPE, "text/xml")], xml).into_response()
}

const INVALID_ACTION: &str = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
     <Code>InvalidAction</Code><Message>aws-iot-sim knows only GetCallerIdentity of STS</Message></Error>\
     <RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>";

fn identity(registry: &Registry, scope: &Scope) -> String {
    format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>{}</Arn><UserId>AIDACKCEVSQ6C2EXAMPLE</UserId><Account>{}</Account></GetCallerIdentityResult>\
         <ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata>\
         </GetCallerIdentityResponse>",
        scope.caller_arn(),
        registry.account()
    )
}
