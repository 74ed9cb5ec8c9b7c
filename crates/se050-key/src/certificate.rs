//! The X.509 certificate of a key.

use std::fmt;
use std::path::Path;

use der::{Decode as _, Encode as _, Header, Reader as _, SliceReader};
use ring::digest;

use crate::public_key::hex;
use crate::{Error, PublicKey};

/// An X.509 certificate, as the chip keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    subject: String,
    public_key: PublicKey,
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
    pub(crate) fn from_bytes(stored: &[u8], object: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::NotACertificate { object: object.to_owned(), reason };
        let der = if stored.trim_ascii_start().starts_with(b"-----BEGIN") {
            let pem = pem::parse_many(stored).map_err(|error| wrong(error.to_string()))?;
            let first = pem.into_iter().find(|part| part.tag() == "CERTIFICATE");
            first.ok_or_else(|| wrong("PEM without a CERTIFICATE part".into()))?.into_contents()
        } else {
            outer_sequence(stored).map_err(wrong)?.to_vec()
        };
        let parsed = x509_cert::Certificate::from_der(&der).map_err(|error| wrong(error.to_string()))?;
        let tbs = parsed.tbs_certificate();
        let public_key = PublicKey::from_spki(tbs.subject_public_key_info().clone())
            .map_err(|reason| Error::UnsupportedKey { object: object.to_owned(), reason })?;
        Ok(Self { subject: tbs.subject().to_string(), public_key, der })
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

    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// SHA-256 of the DER, in hexadecimal: what AWS IoT Core calls the certificate id.
    pub fn fingerprint(&self) -> String {
        hex(digest::digest(&digest::SHA256, &self.der).as_ref())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("fingerprint", &self.fingerprint())
            .finish()
    }
}

/// The DER value at the start of `stored`, without what follows it.
fn outer_sequence(stored: &[u8]) -> Result<&[u8], String> {
    let length = || -> Result<usize, der::Error> {
        let mut reader = SliceReader::new(stored)?;
        let header = Header::decode(&mut reader)?;
        let total = (header.encoded_len()? + header.length())?;
        reader.read_slice(header.length())?;
        usize::try_from(total)
    };
    let length = length().map_err(|error| error.to_string())?;
    stored.get(..length).ok_or_else(|| "it is cut short".to_owned())
}
