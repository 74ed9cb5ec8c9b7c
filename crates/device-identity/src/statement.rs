use std::fmt;
use std::time::SystemTime;

use crate::certificate::DeviceCertificate;
use crate::time;

/// What the signed bytes begin with. Nothing else that a device's key signs begins so: a TLS 1.3 signature is over 64
/// spaces (RFC 8446, section 4.4.3), a TLS 1.2 one over a handshake message (first byte 1) or two random numbers and
/// parameters, which never come to be signed by a client, a certificate or its request over a SEQUENCE (0x30).
const DOMAIN: &[u8] = b"se050-iot identity bundle, proof of possession, version 1\n";

/// Longest name, serial number or nonce, in bytes: a thing's name has at most 128.
const MAX_BYTES: usize = 128;

/// What a device signs to show that it has the private key of its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub(crate) subject: Subject,
    pub(crate) nonce: Option<String>,
    pub(crate) time: SystemTime,
}

/// Which device it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// The device, by the serial number on its label.
    Serial(String),
    /// The device, by the name that it is to have on AWS IoT.
    Thing(String),
}

impl Statement {
    /// That device, now or at another time. `nonce` is what the operator issued, if one was issued.
    ///
    /// # Errors
    /// A text that is empty, longer than 128 bytes, or holds other than printable ASCII.
    pub fn new(subject: Subject, nonce: Option<String>, time: SystemTime) -> Result<Self, InvalidText> {
        check(subject.kind(), subject.as_str())?;
        if let Some(nonce) = &nonce {
            check("nonce", nonce)?;
        }
        Ok(Self { subject, nonce, time })
    }

    /// The bytes to sign, which hold the certificate's SHA-256 as well.
    ///
    /// Each field is preceded by its length in two bytes, so that no two statements have the same bytes.
    pub fn to_bytes(&self, certificate: &DeviceCertificate) -> Vec<u8> {
        let (digest, time) = (certificate.digest(), time::to_text(self.time));
        let fields: [&[u8]; 5] = [
            digest.as_ref(),
            self.subject.kind().as_bytes(),
            self.subject.as_str().as_bytes(),
            self.nonce.as_deref().unwrap_or_default().as_bytes(),
            time.as_bytes(),
        ];
        let mut bytes = DOMAIN.to_vec();
        for field in fields {
            // No field is longer than MAX_BYTES.
            bytes.extend(u16::try_from(field.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend(field);
        }
        bytes
    }
}

impl Subject {
    /// `serial` or `thing`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Serial(_) => "serial",
            Self::Thing(_) => "thing",
        }
    }

    /// The serial number or the name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Serial(text) | Self::Thing(text) => text,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.as_str())
    }
}

/// A text that cannot stand in a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} is not usable; give 1 to 128 printable ASCII characters")]
pub struct InvalidText {
    what: &'static str,
    text: String,
}

fn check(what: &'static str, text: &str) -> Result<(), InvalidText> {
    let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if printable && (1..=MAX_BYTES).contains(&text.len()) {
        Ok(())
    } else {
        Err(InvalidText { what, text: text.to_owned() })
    }
}
