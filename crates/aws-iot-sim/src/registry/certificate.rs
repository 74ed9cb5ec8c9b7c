//! Certificates that were registered without their CA.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use der::Decode as _;
use x509_cert::Certificate as X509;

use super::certificate_variables::variables;
use super::key::{check_key, check_signature_algorithm};
use super::{ApiError, ApiErrorKind, Exclusivity, PolicyName, Registry, ThingName, now};
use crate::arn::Scope;
use crate::limits::CERTIFICATE_PEM_BYTES;

/// The id of a certificate: the SHA-256 of its DER, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CertificateId(String);

/// The status of a certificate. Only an ACTIVE one may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    Inactive,
    Revoked,
}

/// A registered certificate, and what is attached to it.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) id: CertificateId,
    pub(crate) arn: String,
    pub(crate) scope: Scope,
    pub(crate) pem: String,
    pub(crate) status: Status,
    /// Seconds since 1970, as all times here.
    pub(crate) not_before: Duration,
    pub(crate) not_after: Duration,
    /// The policy variables that it gives, by their names in lower case.
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) created: f64,
    pub(crate) modified: f64,
    pub(crate) policies: BTreeSet<PolicyName>,
    pub(crate) things: BTreeMap<ThingName, Exclusivity>,
}

/// Why a certificate may not connect. AWS IoT Core does not tell the device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("certificate {0} is not registered: register it (RegisterCertificateWithoutCA)")]
    NotRegistered(CertificateId),
    #[error("certificate {0} is {1}: make it ACTIVE (UpdateCertificate)")]
    NotActive(CertificateId, Status),
    #[error("certificate {0} is not valid yet: check the dates in the certificate")]
    NotYetValid(CertificateId),
    #[error("certificate {0} has expired: check the dates in the certificate")]
    Expired(CertificateId),
}

impl Registry {
    /// Registers the certificate in `pem`.
    pub(crate) fn register_certificate(
        &self,
        pem: &str,
        status: Status,
        scope: &Scope,
    ) -> Result<Certificate, ApiError> {
        let der = certificate_der(pem)?;
        let parsed = X509::from_der(&der).map_err(|_| validation("it cannot be parsed"))?;
        check_key(parsed.tbs_certificate().subject_public_key_info())?;
        check_signature_algorithm(&parsed.signature_algorithm().oid)?;
        let id = certificate_id(&der);
        let mut state = self.state();
        if let Some(existing) = state.certificates.get(&id) {
            let message = "The certificate is already provisioned or registered";
            return Err(ApiError::already_exists(message, existing.id.as_str(), &existing.arn));
        }
        let validity = parsed.tbs_certificate().validity();
        // One time for both: a client may tell by them that a certificate is as it was registered.
        let created = now();
        let certificate = Certificate {
            arn: scope.arn(format_args!("cert/{id}")),
            scope: scope.clone(),
            pem: pem.to_owned(),
            status,
            not_before: validity.not_before.to_unix_duration(),
            not_after: validity.not_after.to_unix_duration(),
            variables: variables(&id, &parsed),
            created,
            modified: created,
            policies: BTreeSet::new(),
            things: BTreeMap::new(),
            id: id.clone(),
        };
        state.certificates.insert(id, certificate.clone());
        Ok(certificate)
    }

    /// The certificate of that id.
    pub(crate) fn certificate(&self, id: &CertificateId) -> Result<Certificate, ApiError> {
        self.state().certificates.get(id).cloned().ok_or_else(|| not_found(id))
    }

    /// Reads a certificate's ARN, as targets and principals are named: `arn:aws:iot:REGION:ACCOUNT:cert/ID`.
    pub(crate) fn certificate_of_arn(&self, arn: &str) -> Result<CertificateId, ApiError> {
        let account = self.account();
        let unusable =
            || ApiError::invalid(format!("{arn:?} is not the ARN of a certificate of account {account}"));
        let fields: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, _, "iot", _, owner, resource] = fields.as_slice() else { return Err(unusable()) };
        let id = resource.strip_prefix("cert/").filter(|_| *owner == account.as_str());
        CertificateId::parse(id.ok_or_else(unusable)?).map_err(|_| unusable())
    }

    /// All certificates.
    pub(crate) fn certificates(&self) -> Vec<Certificate> {
        self.state().certificates.values().cloned().collect()
    }

    /// Sets a certificate's status. REVOKED is final.
    pub(crate) fn update_certificate(&self, id: &CertificateId, status: Status) -> Result<(), ApiError> {
        let mut state = self.state();
        let certificate = state.certificates.get_mut(id).ok_or_else(|| not_found(id))?;
        if certificate.status == Status::Revoked && status != Status::Revoked {
            let message = format!("certificate {id} is REVOKED and cannot become {status} again");
            return Err(ApiError::new(ApiErrorKind::CertificateState, message));
        }
        certificate.status = status;
        certificate.modified = now();
        Ok(())
    }

    /// Deletes a certificate that is not ACTIVE and has nothing attached; `force` detaches its policies.
    pub(crate) fn delete_certificate(&self, id: &CertificateId, force: bool) -> Result<(), ApiError> {
        let mut state = self.state();
        let certificate = state.certificates.get(id).ok_or_else(|| not_found(id))?;
        let conflict = |what: &str| {
            let message = format!("{what} must be detached before deletion (arn: {})", certificate.arn);
            Err(ApiError::new(ApiErrorKind::DeleteConflict, message))
        };
        if certificate.status == Status::Active {
            let message = format!(
                "Certificate must be deactivated (not ACTIVE) before deletion. Id: {}",
                certificate.id
            );
            return Err(ApiError::new(ApiErrorKind::CertificateState, message));
        }
        if !certificate.things.is_empty() {
            return conflict("Things");
        }
        if !force && !certificate.policies.is_empty() {
            return conflict("Policies");
        }
        state.certificates.remove(id);
        Ok(())
    }

    /// Whether the certificate in `der` may open a TLS connection at `now` (since 1970).
    pub(crate) fn admit_certificate(&self, der: &[u8], now: Duration) -> Result<CertificateId, Refused> {
        let id = certificate_id(der);
        let state = self.state();
        let Some(certificate) = state.certificates.get(&id) else { return Err(Refused::NotRegistered(id)) };
        if certificate.status != Status::Active {
            return Err(Refused::NotActive(id, certificate.status));
        }
        if now < certificate.not_before {
            return Err(Refused::NotYetValid(id));
        }
        if now > certificate.not_after {
            return Err(Refused::Expired(id));
        }
        Ok(id)
    }
}

impl CertificateId {
    /// Reads an id as the control plane's paths carry it.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(ApiError::invalid(format!("certificateId {text:?} must be 64 hexadecimal digits")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Status {
    /// Reads a status that a caller may set; the transitional ones of the API cannot be set.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        match text {
            "ACTIVE" => Ok(Self::Active),
            "INACTIVE" => Ok(Self::Inactive),
            "REVOKED" => Ok(Self::Revoked),
            other => Err(ApiError::invalid(format!(
                "status {other:?} cannot be set: it must be ACTIVE, INACTIVE or REVOKED"
            ))),
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Revoked => "REVOKED",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The id that AWS gives the certificate in `der`.
pub(crate) fn certificate_id(der: &[u8]) -> CertificateId {
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    CertificateId(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn certificate_der(pem: &str) -> Result<Vec<u8>, ApiError> {
    if pem.len() > CERTIFICATE_PEM_BYTES {
        return Err(ApiError::invalid(format!(
            "certificatePem is longer than {CERTIFICATE_PEM_BYTES} bytes"
        )));
    }
    let blocks = pem::parse_many(pem).map_err(|_| validation("it is not PEM"))?;
    match blocks.as_slice() {
        [block] if block.tag() == "CERTIFICATE" => Ok(block.contents().to_vec()),
        _ => Err(validation("it must be one PEM block of type CERTIFICATE")),
    }
}

pub(super) fn validation(reason: &str) -> ApiError {
    ApiError::new(ApiErrorKind::CertificateValidation, format!("The certificate is invalid: {reason}"))
}

pub(super) fn not_found(id: &CertificateId) -> ApiError {
    ApiError::not_found(format_args!("certificate {id}"))
}
