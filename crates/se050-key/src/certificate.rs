//! The X.509 certificate of a key, and the certificates in a file or in what the chip stores: PEM or DER.

use std::fmt;
use std::path::Path;
use std::time::SystemTime;

use der::{Decode as _, Encode as _, Header, SliceReader};
use ring::digest;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::time::Time;

use crate::public_key::{hex, to_pem};
use crate::{Error, PublicKey, Selector};

/// The tags of a certificate in PEM: of RFC 7468, of OpenSSL before 1998, of `openssl x509 -trustout`, which has bytes
/// behind the certificate.
const TAGS: [&str; 3] = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];

/// The first byte of every certificate in DER.
const SEQUENCE: u8 = 0x30;

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
        let time = |time: Time| CertificateTime(time.to_date_time());
        let public_key = PublicKey::from_spki(tbs.subject_public_key_info().clone())
            .map_err(|reason| Error::UnsupportedKey { object: object.to_owned(), reason })?;
        Ok(Self {
            subject: tbs.subject().to_string(),
            issuer: tbs.issuer().to_string(),
            issuer_der: tbs.issuer().to_der().map_err(not_x509)?,
            serial: hex(tbs.serial_number().as_bytes()),
            validity: (time(tbs.validity().not_before), time(tbs.validity().not_after)),
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

/// A certificate in DER, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredCertificate {
    /// The certificate in DER, without what follows it.
    pub der: Vec<u8>,
    /// Which certificate of the file or object it is, counted from 1.
    pub number: usize,
    /// The line on which it begins, counted from 1; `None` where it is not PEM.
    pub line: Option<usize>,
}

impl StoredCertificate {
    /// The certificates in a file: one in DER, or any number in PEM, whatever text stands around them. At least one.
    ///
    /// # Errors
    /// [`Error::NotACertificate`] when the file cannot be read, or holds something else; it names a damaged certificate by
    /// its number and line.
    pub fn all_from_file(path: &Path) -> Result<Vec<Self>, Error> {
        let object = path.display().to_string();
        let read = std::fs::read(path).map_err(|error| format!("it cannot be read: {error}"));
        let all = read.and_then(|bytes| Self::all_from_bytes(&bytes));
        all.map_err(|reason| Error::NotACertificate { object, reason })
    }

    pub(crate) fn all_from_bytes(bytes: &[u8]) -> Result<Vec<Self>, String> {
        // A chip pads what it stores with zeros.
        let text_ends = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let content = bytes.get(..text_ends).unwrap_or_default();
        if content.is_empty() {
            return Err("it is empty".into());
        }
        // A SEQUENCE of more than 127 bytes, as every certificate is.
        if let [SEQUENCE, 0x81..=0x84, ..] = content {
            return Ok(vec![Self { der: outer_sequence(bytes)?.to_vec(), number: 1, line: None }]);
        }
        if content.starts_with(&[0xFF, 0xFE]) || content.starts_with(&[0xFE, 0xFF]) || content.contains(&0) {
            return Err(not_utf8(content).into());
        }
        let text = String::from_utf8_lossy(content);
        let found = from_pem(text.strip_prefix('\u{feff}').unwrap_or(&text))?;
        if found.is_empty() { Err(no_certificate(&text)) } else { Ok(found) }
    }
}

/// `certificate 3 (line 51)`.
impl fmt::Display for StoredCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate {}", self.number)?;
        self.line.map_or(Ok(()), |line| write!(f, " (line {line})"))
    }
}

/// The parts of a PEM text that are certificates. Other parts and the text around them are passed over (RFC 7468,
/// section 5.2).
fn from_pem(text: &str) -> Result<Vec<StoredCertificate>, String> {
    let mut found: Vec<StoredCertificate> = Vec::new();
    let mut begun: Option<(usize, &str, String)> = None;
    // Old editors end lines with a carriage return alone; where a line feed follows, the empty line is not counted.
    let lines = text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'));
    for (line, number) in lines.map(str::trim).zip(1..) {
        let damaged = |line: usize, what: &str| {
            Err(format!("certificate {} (line {line}) is damaged: {what}", found.len() + 1))
        };
        let boundary = |kind: &str| line.strip_prefix(kind)?.strip_suffix("-----");
        if let Some(tag) = boundary("-----BEGIN ") {
            if let Some((line, ..)) = begun {
                return damaged(line, "it has no END line before the next BEGIN line");
            }
            begun = TAGS.contains(&tag).then(|| (number, tag, String::new()));
        } else if let Some((start, tag, mut base64)) = begun.take() {
            let Some(end) = boundary("-----END ") else {
                base64.push_str(line);
                base64.push('\n');
                begun = Some((start, tag, base64));
                continue;
            };
            if end != tag {
                return damaged(start, "its END line is of another kind");
            }
            let pem = format!("-----BEGIN {tag}-----\n{base64}-----END {end}-----\n");
            let Ok(part) = pem::parse(pem) else {
                return damaged(start, "what stands between its BEGIN and END lines is not whole base64");
            };
            match outer_sequence(part.contents()) {
                Ok(der) => found.push(StoredCertificate {
                    der: der.to_vec(),
                    number: found.len() + 1,
                    line: Some(start),
                }),
                Err(reason) => return damaged(start, &reason),
            }
        }
    }
    match begun {
        Some((line, ..)) => Err(format!(
            "certificate {} (line {line}) has no END line: the file was cut short",
            found.len() + 1
        )),
        None => Ok(found),
    }
}

/// The DER value at the start of `bytes`, without what follows it.
fn outer_sequence(bytes: &[u8]) -> Result<&[u8], String> {
    let length = || -> Result<usize, der::Error> {
        let mut reader = SliceReader::new(bytes)?;
        let header = <Header as der::Decode>::decode(&mut reader)?;
        usize::try_from((header.encoded_len()? + header.length())?)
    };
    // The parser's own words would be about ASN.1 tags.
    let length = length().ok().filter(|_| bytes.first() == Some(&SEQUENCE)).ok_or("it is no certificate")?;
    bytes.get(..length).ok_or_else(|| format!("it is cut short: {} of {length} bytes are there", bytes.len()))
}

fn not_utf8(content: &[u8]) -> &'static str {
    if content.starts_with(&[0xFF, 0xFE]) || content.starts_with(&[0xFE, 0xFF]) || content.get(1) == Some(&0)
    {
        "it is UTF-16 text, as PowerShell's > writes it: save it as UTF-8 or ASCII (iconv -f utf-16 -t utf-8)"
    } else {
        "it is neither text nor a certificate"
    }
}

/// What a file without a certificate probably is.
fn no_certificate(text: &str) -> String {
    let tag = text.split_once("-----BEGIN ").and_then(|(_, rest)| Some(rest.split_once("-----")?.0));
    let is_base64 = |character: char| character.is_ascii_alphanumeric() || "+/=\r\n".contains(character);
    match tag {
        Some(tag) if TAGS.contains(&tag) => {
            "its line -----BEGIN CERTIFICATE----- does not stand alone: are the line ends missing?".into()
        }
        Some(tag) => format!("it holds {tag}, and no CERTIFICATE"),
        None if text.starts_with("MII") && text.chars().all(is_base64) => {
            "it is base64 without the lines -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----: put them around it".into()
        }
        None => "it has no line -----BEGIN CERTIFICATE-----".into(),
    }
}

#[cfg(test)]
mod tests;
