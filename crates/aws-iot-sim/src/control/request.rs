//! What every request has in common: a signature (present, not verified), a region, a JSON body.

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;

use super::respond::Failure;
use crate::arn::Region;
use crate::registry::{CertificateId, Fault, FaultKind};

/// Lets signed requests in, and notes the region of the signature.
pub(super) async fn sign_in(mut request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let Some(header) = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
        let fault = Fault::new(FaultKind::MissingAuthenticationToken, "Missing Authentication Token");
        tracing::warn!(%method, path, "control plane refuses a request that is not signed");
        return Failure(fault).into_response();
    };
    let region = Region::of_authorization(header);
    request.extensions_mut().insert(region);
    let response = next.run(request).await;
    tracing::info!(%method, path, status = response.status().as_u16(), "control plane");
    response
}

/// Reads a JSON body; an empty one is an empty object.
pub(super) fn body<T: DeserializeOwned>(body: &Bytes) -> Result<T, Fault> {
    let json: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(json)
        .map_err(|error| Fault::invalid(format!("the request body is not usable: {error}")))
}

/// The certificate that the `x-amzn-principal` header names.
pub(super) fn principal(headers: &HeaderMap) -> Result<CertificateId, Fault> {
    let header = headers.get("x-amzn-principal").and_then(|value| value.to_str().ok());
    CertificateId::of_arn(header.ok_or_else(|| Fault::invalid("the x-amzn-principal header is missing"))?)
}
