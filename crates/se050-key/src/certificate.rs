//! The X.509 certificate of a key.

use std::fmt;
use std::path::Path;
use std::time::SystemTime;

use der::{Decode as _, Encode as _};
use ring::digest;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::time::Time;

use crate::public_key::{hex, to_pem};
use crate::{Error, PublicKey, Selector, StoredCertificate};

/// An X.509 certificate of any version, with the intermediate certificates that followed it in its file.
///
/// Validity and extensions are not checked: the server decides whether it accepts the certificate.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    subject: String,
    issuer: String,
    issuer_der: Vec<u8>,
    serial: String,
    validity: (CertificateTime, CertificateTime),
    public_key: PublicKey,
    intermediates: Vec<Vec<u8>>,
}

impl Certificate {
    /// The certificate in a file, PEM or DER. Those that follow it in a PEM file are its [`intermediates`](Self::intermediates).
    ///
    /// # Errors
    /// [`Error::NotACertificate`] when the file cannot be read, or holds something else; [`Error::UnsupportedKey`].
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        Self::from_stored(StoredCertificate::all_from_file(path)?, &path.display().to_string())
    }

    /// The same in memory: DER, with whatever bytes may follow it (the chip pads with zeros), or PEM. `object` says in
    /// errors what holds it.
    ///
    /// # Errors
    /// As [`Certificate::from_file`].
    pub fn from_bytes(bytes: &[u8], object: &str) -> Result<Self, Error> {
        let wrong = |reason| Error::NotACertificate { object: object.to_owned(), reason };
        Self::from_stored(StoredCertificate::all_from_bytes(bytes).map_err(wrong)?, object)
    }

    fn from_stored(stored: Vec<StoredCertificate>, object: &str) -> Result<Self, Error> {
        let wrong =
            |reason: &str| Error::NotACertificate { object: object.to_owned(), reason: reason.into() };
        let mut all = stored.into_iter().map(|certificate| certificate.der);
        let der = all.next().ok_or_else(|| wrong("it is empty"))?;
        // The parser's own words would be about ASN.1 tags. The raw profile takes serial numbers of any length and sign.
        let not_x509 = |_| wrong("what it holds is something else (PKCS#7, PKCS#12?), or damaged");
        let parsed = CertificateInner::<Raw>::from_der(&der).map_err(not_x509)?;
        let tbs = parsed.tbs_certificate();
        let public_key = PublicKey::from_spki(tbs.subject_public_key_info().clone())
            .map_err(|reason| Error::UnsupportedKey { object: object.to_owned(), reason })?;
        Ok(Self {
            subject: tbs.subject().to_string(),
            issuer: tbs.issuer().to_string(),
            issuer_der: tbs.issuer().to_der().map_err(not_x509)?,
            serial: hex(tbs.serial_number().as_bytes()),
            validity: (tbs.validity().not_before.into(), tbs.validity().not_after.into()),
            public_key,
            intermediates: all.collect(),
            der,
        })
    }

    /// The certificate in DER.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in PEM, without its intermediates.
    pub fn to_pem(&self) -> String {
        to_pem("CERTIFICATE", self.der.clone())
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

    /// Checks that the certificate was issued for the key of that name, which has this public half.
    pub(crate) fn check_issued_for(&self, key: &Selector, public_key: &PublicKey) -> Result<(), Error> {
        if self.public_key == *public_key {
            return Ok(());
        }
        Err(Error::KeyMismatch {
            key: key.to_string(),
            key_fingerprint: public_key.fingerprint(),
            certificate_fingerprint: self.public_key.fingerprint(),
        })
    }

    /// SHA-256 of the DER, in hexadecimal: what AWS IoT Core calls the certificate id.
    pub fn fingerprint(&self) -> String {
        hex(digest::digest(&digest::SHA256, &self.der).as_ref())
    }

    /// The certificates that followed it in its file, in DER and in the file's order: those of its issuers, which a TLS
    /// client sends with it.
    pub fn intermediates(&self) -> &[Vec<u8>] {
        &self.intermediates
    }
}

/// Two certificates are equal when their DER is equal.
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

/// A moment as a certificate names it, in UTC, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificateTime(der::DateTime);

impl CertificateTime {
    /// The same moment on the system's clock.
    pub fn system_time(self) -> SystemTime {
        self.0.to_system_time()
    }
}

/// As RFC 3339 writes it: `2049-12-31T23:59:59Z`.
impl fmt::Display for CertificateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Time> for CertificateTime {
    fn from(time: Time) -> Self {
        Self(match time {
            Time::UtcTime(time) => time.to_date_time(),
            Time::GeneralTime(time) => time.to_date_time(),
        })
    }
}
