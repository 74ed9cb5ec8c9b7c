//! What the operator's side looks at before anything is registered.

use std::time::{Duration, SystemTime};

use crate::certificate::DeviceCertificate;
use crate::chain;
use crate::error::CheckError;
use crate::identity::Identity;
use crate::time;

/// What is asked of an identity beyond a valid, strong certificate whose proof holds.
#[derive(Debug, Clone, Default)]
pub struct Requirements {
    /// The maker's certificate authorities. Without any, the issuer is not verified.
    pub authorities: Vec<DeviceCertificate>,
    /// The nonce that was issued for this device.
    pub nonce: Option<String>,
    /// Whether a certificate without a proof is refused.
    pub proof_required: bool,
    /// How long ago the device may have signed its proof, by its own clock; a proof is required then. A proof from the future
    /// is refused as well, where it is further away than that.
    pub proof_max_age: Option<Duration>,
}

/// What was found to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// Whether the device proved that it has the private key.
    pub proven: bool,
    /// The authority below which the certificate was issued; `None` when no authorities were given.
    pub issuer: Option<String>,
}

impl Checked {
    /// One line in plain words.
    pub fn summary(&self) -> String {
        let proof = if self.proven { "proof of possession holds" } else { "no proof" };
        match &self.issuer {
            Some(issuer) => format!("{proof}, issued by {issuer}"),
            None => format!("{proof}, issuer not verified"),
        }
    }
}

pub(crate) fn check(
    identity: &Identity,
    wanted: &Requirements,
    now: SystemTime,
) -> Result<Checked, CheckError> {
    let certificate = identity.certificate();
    check_validity(certificate, now)?;
    check_strength(certificate)?;
    // A device that proves that it has the key is a device, whatever its certificate says.
    if matches!(identity, Identity::Bare(_)) && certificate.is_only_authority() {
        return Err(CheckError::Authority { id: certificate.fingerprint(), subject: certificate.subject() });
    }
    let proven = check_proof(identity, wanted, now)?;
    let issuer = check_issuer(identity, wanted, now)?;
    Ok(Checked { proven, issuer })
}

fn check_validity(certificate: &DeviceCertificate, now: SystemTime) -> Result<(), CheckError> {
    let (from, until) = certificate.validity();
    if now < from {
        return Err(CheckError::NotYetValid { id: certificate.fingerprint(), from: time::to_text(from) });
    }
    if now > until {
        return Err(CheckError::Expired { id: certificate.fingerprint(), until: time::to_text(until) });
    }
    Ok(())
}

fn check_strength(certificate: &DeviceCertificate) -> Result<(), CheckError> {
    let (id, key) = (certificate.fingerprint(), certificate.key_kind());
    if !key.is_strong() {
        return Err(CheckError::WeakKey { id, key: key.to_string() });
    }
    match chain::weak_signature(certificate) {
        Some(algorithm) => Err(CheckError::WeakSignature { id, algorithm }),
        None => Ok(()),
    }
}

fn check_proof(identity: &Identity, wanted: &Requirements, now: SystemTime) -> Result<bool, CheckError> {
    let id = || identity.certificate().fingerprint();
    let Identity::Bundle(bundle) = identity else {
        // A nonce that was issued, and a time, can only come in a proof.
        let required = wanted.proof_required || wanted.nonce.is_some() || wanted.proof_max_age.is_some();
        return if required { Err(CheckError::ProofMissing { id: id() }) } else { Ok(false) };
    };
    if !bundle.proof.matches(&bundle.certificate) {
        return Err(CheckError::ProofWrong { id: id() });
    }
    if let Some(limit) = wanted.proof_max_age {
        let signed = bundle.proof.time();
        let distance = now.duration_since(signed).unwrap_or_else(|future| future.duration());
        if distance > limit {
            let limit = format!("{} s", limit.as_secs());
            return Err(CheckError::ProofTime { signed: time::to_text(signed), limit });
        }
    }
    match &wanted.nonce {
        Some(expected) if bundle.proof.nonce() != Some(expected) => Err(CheckError::NonceDiffers {
            found: bundle.proof.nonce().unwrap_or_default().to_owned(),
            expected: expected.clone(),
        }),
        _ => Ok(true),
    }
}

fn check_issuer(
    identity: &Identity,
    wanted: &Requirements,
    now: SystemTime,
) -> Result<Option<String>, CheckError> {
    if wanted.authorities.is_empty() {
        return Ok(None);
    }
    let intermediates = match identity {
        Identity::Bundle(bundle) => bundle.issuers.as_slice(),
        Identity::Bare(_) => &[],
    };
    let certificate = identity.certificate();
    chain::verify(certificate, intermediates, &wanted.authorities, now)
        .map(Some)
        .map_err(|reason| CheckError::IssuerNotVerified { id: certificate.fingerprint(), reason })
}
