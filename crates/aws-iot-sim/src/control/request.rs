//! What every request has in common: a signature (present, not verified), a region, a JSON body.

use axum::body::Bytes;
use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;

use super::Services;
use super::operation::Operation;
use super::refusal::refusal;
use super::respond::Failure;
use crate::registry::{ApiError, ApiErrorKind, CertificateId, Registry};

/// Lets signed requests in, notes the account and region of the signature, and refuses what a fault refuses.
pub(super) async fn sign_in(State(services): State<Services>, mut request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let Some(header) = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
        let error = ApiError::new(ApiErrorKind::MissingAuthenticationToken, "Missing Authentication Token");
        tracing::warn!(%method, path, "control plane refuses a request that is not signed");
        return Failure(error).into_response();
    };
    let scope = services.registry.account().scope_of_authorization(header);
    let route = request.extensions().get::<MatchedPath>();
    let operation = route.and_then(|route| Operation::of(&method, route.as_str()));
    let refusal = operation.and_then(|operation| refusal(&services.faults, operation, &path, &scope));
    request.extensions_mut().insert(scope);
    let response = match refusal {
        Some(error) => Failure(error).into_response(),
        None => next.run(request).await,
    };
    let operation = operation.map_or("-", |operation| operation.name);
    tracing::info!(operation, %method, path, status = response.status().as_u16(), "control plane");
    response
}

/// Reads a JSON body; an empty one is an empty object.
pub(super) fn body<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    let json: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(json)
        .map_err(|error| ApiError::invalid(format!("the request body is not usable: {error}")))
}

/// The certificate that the `x-amzn-principal` header names.
pub(super) fn principal(registry: &Registry, headers: &HeaderMap) -> Result<CertificateId, ApiError> {
    let header = headers.get("x-amzn-principal").and_then(|value| value.to_str().ok());
    registry.certificate_of_arn(
        header.ok_or_else(|| ApiError::invalid("the x-amzn-principal header is missing"))?,
    )
}
