use std::time::SystemTime;

use crate::bundle::IdentityBundle;
use crate::certificate::DeviceCertificate;
use crate::check::{Checked, Requirements, check};
use crate::error::{CheckError, FileError};
use crate::statement::Subject;

/// What the operator got for a device: a bundle with a proof, or a certificate alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identity {
    /// A bundle with a proof of possession.
    Bundle(Box<IdentityBundle>),
    /// A certificate without a proof.
    Bare(Box<DeviceCertificate>),
}

impl Identity {
    /// Reads a file: a bundle (JSON), or a certificate in PEM or DER.
    ///
    /// # Errors
    /// Neither of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileError> {
        if bytes.trim_ascii_start().starts_with(b"{") {
            return Ok(Self::Bundle(Box::new(IdentityBundle::from_json(bytes)?)));
        }
        Ok(Self::Bare(Box::new(DeviceCertificate::from_bytes(bytes)?)))
    }

    /// The device's certificate.
    pub fn certificate(&self) -> &DeviceCertificate {
        match self {
            Self::Bundle(bundle) => &bundle.certificate,
            Self::Bare(certificate) => certificate,
        }
    }

    /// Which device the proof is of, if there is a proof.
    pub fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Bundle(bundle) => Some(bundle.proof.subject()),
            Self::Bare(_) => None,
        }
    }

    /// The label of the private key, if it is known.
    pub fn key_label(&self) -> Option<&str> {
        match self {
            Self::Bundle(bundle) => Some(&bundle.objects.key),
            Self::Bare(_) => None,
        }
    }

    /// Checks what has to hold before the device is registered: proof, validity, key, signature, issuer.
    ///
    /// # Errors
    /// The first of them that does not hold.
    pub fn check(&self, wanted: &Requirements, now: SystemTime) -> Result<Checked, CheckError> {
        check(self, wanted, now)
    }
}
