//! RegisterCertificateWithoutCA, DescribeCertificate, ListCertificates, UpdateCertificate, DeleteCertificate.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::Page;
use super::request::body;
use super::respond::{Answer, done};
use crate::arn::Scope;
use crate::broker::Hub;
use crate::registry::{CertificateId, Registry, Status};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Register {
    certificate_pem: String,
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Update {
    new_status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delete {
    #[serde(default)]
    force_delete: bool,
}

pub(super) async fn register(
    State(registry): State<Arc<Registry>>,
    Extension(scope): Extension<Scope>,
    bytes: Bytes,
) -> Answer {
    let request: Register = body(&bytes)?;
    // AWS registers a certificate INACTIVE unless told otherwise (AWS IoT API reference).
    let status = request.status.as_deref().map_or(Ok(Status::Inactive), Status::parse)?;
    let certificate = registry.register_certificate(&request.certificate_pem, status, &scope)?;
    Ok(Json(json!({
        "certificateArn": certificate.arn,
        "certificateId": certificate.id.as_str(),
    })))
}

pub(super) async fn describe(State(registry): State<Arc<Registry>>, Path(id): Path<String>) -> Answer {
    let certificate = registry.certificate(&CertificateId::parse(&id)?)?;
    Ok(Json(json!({
        "certificateDescription": {
            "certificateArn": certificate.arn,
            "certificateId": certificate.id.as_str(),
            "status": certificate.status.as_str(),
            "certificatePem": certificate.pem,
            "ownedBy": registry.account().as_str(),
            "creationDate": certificate.created,
            "lastModifiedDate": certificate.modified,
            "customerVersion": 1,
            "certificateMode": "SNI_ONLY",
            "validity": {
                "notBefore": certificate.not_before.as_secs(),
                "notAfter": certificate.not_after.as_secs(),
            },
        }
    })))
}

pub(super) async fn list(State(registry): State<Arc<Registry>>, page: Page) -> Answer {
    let all = registry.certificates();
    let (certificates, next) = page.of(all, |certificate| certificate.id.to_string())?;
    let certificates: Vec<Value> = certificates
        .iter()
        .map(|certificate| {
            json!({
                "certificateArn": certificate.arn,
                "certificateId": certificate.id.as_str(),
                "status": certificate.status.as_str(),
                "creationDate": certificate.created,
                "certificateMode": "SNI_ONLY",
            })
        })
        .collect();
    Ok(Json(json!({ "certificates": certificates, "nextMarker": next })))
}

pub(super) async fn update(
    State(registry): State<Arc<Registry>>,
    State(hub): State<Arc<Hub>>,
    Path(id): Path<String>,
    Query(query): Query<Update>,
) -> Answer {
    let (id, status) = (CertificateId::parse(&id)?, Status::parse(&query.new_status)?);
    registry.update_certificate(&id, status)?;
    if status != Status::Active {
        // AWS does so within minutes (AWS IoT API reference, UpdateCertificate).
        hub.disconnect_certificate(&id);
    }
    done()
}

pub(super) async fn delete(
    State(registry): State<Arc<Registry>>,
    Path(id): Path<String>,
    Query(query): Query<Delete>,
) -> Answer {
    registry.delete_certificate(&CertificateId::parse(&id)?, query.force_delete)?;
    done()
}
