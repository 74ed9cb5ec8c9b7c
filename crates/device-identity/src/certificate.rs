use std::fmt;
use std::time::SystemTime;

use der::{Decode as _, Header, Reader as _, SliceReader};
use ring::digest;
use x509_cert::Certificate;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use crate::error::{CertificateError, FormatError};
use crate::hex;
use crate::key::KeyKind;
use crate::text::escaped;

const PEM_LABEL: &str = "CERTIFICATE";

/// A device's certificate, as it was read from the chip. The private key stays where it is.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceCertificate {
    der: Vec<u8>,
    pub(crate) parsed: Certificate,
}

impl DeviceCertificate {
    /// The certificate in a file's bytes, PEM or DER.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem) and [`from_der`](Self::from_der).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CertificateError> {
        // DER begins with a SEQUENCE whose length takes two bytes more; no PEM file begins so.
        if bytes.starts_with(&[0x30, 0x82]) { Self::from_der(bytes) } else { Self::from_pem(bytes) }
    }

    /// The one certificate of a PEM file. Text around it is allowed, a private key or a second certificate is not.
    ///
    /// # Errors
    /// No certificate, more than one, or something else than a certificate in the file.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        let mut all = Self::all_from_pem(pem)?;
        match (all.pop(), all.len()) {
            (Some(only), 0) => Ok(only),
            (None, _) => Err(CertificateError::NotACertificate { found: "no PEM block".to_owned() }),
            (_, others) => Err(CertificateError::SeveralCertificates { count: others + 1 }),
        }
    }

    /// All certificates of a PEM file, such as one of certificate authorities.
    ///
    /// # Errors
    /// A private key or something else than a certificate in the file.
    pub fn all_from_pem(pem: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let blocks = pem::parse_many(pem).map_err(|error| CertificateError::Pem(FormatError::of(error)))?;
        if blocks.iter().any(|block| block.tag().ends_with("PRIVATE KEY")) {
            return Err(CertificateError::PrivateKey);
        }
        if let Some(other) = blocks.iter().find(|block| block.tag() != PEM_LABEL) {
            return Err(CertificateError::NotACertificate { found: format!("a {} block", other.tag()) });
        }
        blocks.iter().map(|block| Self::from_der(block.contents())).collect()
    }

    /// A certificate in DER.
    ///
    /// # Errors
    /// The bytes are not one whole X.509 certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let parsed = Certificate::from_der(der).map_err(|_| CertificateError::NotACertificate {
            found: format!("{} bytes that are not a whole X.509 certificate in DER", der.len()),
        })?;
        Ok(Self { der: der.to_vec(), parsed })
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in PEM, alone and with LF line ends.
    pub fn to_pem(&self) -> String {
        let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        pem::encode_config(&pem::Pem::new(PEM_LABEL, self.der.as_slice()), config)
    }

    /// The SHA-256 of the DER in hexadecimal: on AWS IoT, the certificate's id.
    pub fn fingerprint(&self) -> String {
        hex::encode(self.digest().as_ref())
    }

    /// The subject's distinguished name (RFC 4514), with control characters written out.
    pub fn subject(&self) -> String {
        escaped(&self.parsed.tbs_certificate().subject().to_string())
    }

    /// The issuer's distinguished name (RFC 4514), with control characters written out.
    pub fn issuer(&self) -> String {
        escaped(&self.parsed.tbs_certificate().issuer().to_string())
    }

    /// What kind of key it is for.
    pub fn key_kind(&self) -> KeyKind {
        KeyKind::of(self.parsed.tbs_certificate().subject_public_key_info())
    }

    /// When it begins to be valid, and when it ends.
    pub fn validity(&self) -> (SystemTime, SystemTime) {
        let validity = self.parsed.tbs_certificate().validity();
        (validity.not_before.to_system_time(), validity.not_after.to_system_time())
    }

    pub(crate) fn digest(&self) -> digest::Digest {
        digest::digest(&digest::SHA256, &self.der)
    }

    /// What the subject's public key field holds: RSAPublicKey, or the point.
    pub(crate) fn public_key(&self) -> &[u8] {
        self.parsed.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes()
    }

    /// What its issuer signed: the first element of the certificate, as it stands there. Encoded anew it may have other bytes,
    /// such as a default value that was written out.
    pub(crate) fn signed_bytes(&self) -> Option<&[u8]> {
        let mut reader = SliceReader::new(&self.der).ok()?;
        Header::decode(&mut reader).ok()?;
        reader.tlv_bytes().ok()
    }

    /// Whether it says of itself that it is a certificate authority (RFC 5280, section 4.2.1.9). Self-signed certificates of
    /// devices may say so too, because `openssl req -x509` makes them so.
    pub fn is_authority(&self) -> bool {
        self.constraints().is_some_and(|constraints| constraints.ca)
    }

    /// Whether it can only be an authority's: it may sign certificates (RFC 5280, section 4.2.1.3), or is below another one.
    pub(crate) fn is_only_authority(&self) -> bool {
        self.is_authority() && (self.signs_certificates() == Some(true) || self.issuer() != self.subject())
    }

    /// Whether it may issue a certificate that has `below` authorities between it and the device's (RFC 5280, section
    /// 4.2.1.9).
    pub(crate) fn may_issue(&self, below: usize) -> bool {
        let deep_enough = |constraints: BasicConstraints| {
            constraints.path_len_constraint.is_none_or(|most| below <= most.into())
        };
        let is_authority = self.constraints().filter(|constraints| constraints.ca).is_some_and(deep_enough);
        is_authority && self.signs_certificates() != Some(false)
    }

    fn constraints(&self) -> Option<BasicConstraints> {
        Some(self.parsed.tbs_certificate().get_extension::<BasicConstraints>().ok()??.1)
    }

    /// Whether its key may sign certificates; `None` where it does not say what its key may do.
    fn signs_certificates(&self) -> Option<bool> {
        let usage = self.parsed.tbs_certificate().get_extension::<KeyUsage>().ok()??.1;
        Some(usage.key_cert_sign())
    }
}

impl fmt::Debug for DeviceCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCertificate")
            .field("subject", &self.subject())
            .field("fingerprint", &self.fingerprint())
            .finish()
    }
}
