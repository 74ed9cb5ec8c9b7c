//! Finding the certificates in a file or in what the chip stores: PEM or DER.

use std::fmt;
use std::path::Path;

use der::{Encode as _, Header, SliceReader};

use crate::Error;

/// The tags of a certificate in PEM: of RFC 7468, of OpenSSL before 1998, of `openssl x509 -trustout`, which has bytes
/// behind the certificate.
const TAGS: [&str; 3] = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];

/// The first byte of every certificate in DER.
const SEQUENCE: u8 = 0x30;

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
