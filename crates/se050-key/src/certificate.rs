//! The X.509 certificate of a key.

mod stored;
mod time;

use std::fmt;
use std::path::Path;

use der::{Decode as _, Encode as _};
use ring::digest;
pub use time::CertificateTime;

use crate::public_key::hex;
use crate::{Error, PublicKey};

/// An X.509 certificate, as the chip keeps it.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    subject: String,
    issuer: String,
    issuer_der: Vec<u8>,
    serial: String,
    validity: (CertificateTime, CertificateTime),
    public_key: PublicKey,
    trailing: usize,
}

impl Certificate {
    /// The certificate in a file, PEM or DER. A PEM file may hold intermediate certificates after it, which are left alone.
    ///
    /// # Errors
    /// [`Error::NotACertificate`] when the file cannot be read, or holds something else.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let object = path.display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|error| Error::NotACertificate { object: object.clone(), reason: error.to_string() })?;
        Self::from_bytes(&bytes, &object)
    }

    /// From what is stored: DER, with whatever bytes may follow it (the chip pads with zeros), or PEM.
    pub(crate) fn from_bytes(bytes: &[u8], object: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::NotACertificate { object: object.to_owned(), reason };
        let (der, trailing) = stored::certificate(bytes).map_err(wrong)?;
        let parsed = x509_cert::Certificate::from_der(&der).map_err(|error| wrong(error.to_string()))?;
        let tbs = parsed.tbs_certificate();
        let public_key = PublicKey::from_spki(tbs.subject_public_key_info().clone())
            .map_err(|reason| Error::UnsupportedKey { object: object.to_owned(), reason })?;
        let issuer_der = tbs.issuer().to_der().map_err(|error| wrong(error.to_string()))?;
        if trailing > 0 {
            tracing::debug!(object, bytes = trailing, "bytes after the certificate were cut off");
        }
        Ok(Self {
            subject: tbs.subject().to_string(),
            issuer: tbs.issuer().to_string(),
            issuer_der,
            serial: hex(tbs.serial_number().as_bytes()),
            validity: (tbs.validity().not_before.into(), tbs.validity().not_after.into()),
            public_key,
            trailing,
            der,
        })
    }

    /// The certificate in DER.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in PEM.
    pub fn to_pem(&self) -> String {
        let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        pem::encode_config(&pem::Pem::new("CERTIFICATE", self.der.clone()), config)
    }

    /// The subject's distinguished name (RFC 4514).
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer's distinguished name (RFC 4514).
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The issuer's distinguished name in DER, as TLS servers list those that they accept.
    pub fn issuer_der(&self) -> &[u8] {
        &self.issuer_der
    }

    /// The serial number, in hexadecimal.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// From when on it is valid.
    pub fn not_before(&self) -> CertificateTime {
        self.validity.0
    }

    /// Until when it is valid.
    pub fn not_after(&self) -> CertificateTime {
        self.validity.1
    }

    /// The public key, which knows its kind and size.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// SHA-256 of the DER, in hexadecimal: what AWS IoT Core calls the certificate id.
    pub fn fingerprint(&self) -> String {
        hex(digest::digest(&digest::SHA256, &self.der).as_ref())
    }

    /// How many bytes followed the certificate where it is stored, and were cut off.
    pub fn trailing_bytes(&self) -> usize {
        self.trailing
    }
}

/// Two certificates are one when their DER is, wherever they are stored.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("fingerprint", &self.fingerprint())
            .finish()
    }
}
