use std::fmt;

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use ring::digest;

use crate::input_error::{InputError, PemError};

const PEM_LABEL: &str = "CERTIFICATE";

/// A device's certificate, as it was read from the chip. The private key stays where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCertificate {
    der: Vec<u8>,
}

/// The id under which AWS IoT keeps a certificate: 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertificateId(String);

impl DeviceCertificate {
    /// The one certificate of a PEM file. Text around it is allowed, a private key or a second certificate is not.
    ///
    /// # Errors
    /// No certificate, more than one, or something else than a certificate in the file.
    pub fn from_pem(pem: &[u8]) -> Result<Self, InputError> {
        let blocks = pem::parse_many(pem).map_err(|error| InputError::Pem(PemError(error)))?;
        if blocks.iter().any(|block| block.tag().ends_with("PRIVATE KEY")) {
            return Err(InputError::PrivateKey);
        }
        if let Some(other) = blocks.iter().find(|block| block.tag() != PEM_LABEL) {
            return Err(InputError::NotACertificate { found: format!("a {} block", other.tag()) });
        }
        let count = blocks.len();
        match (blocks.into_iter().next(), count) {
            (Some(only), 1) => Self::from_der(only.contents()),
            (None, _) => Err(InputError::NotACertificate { found: "no PEM block".to_owned() }),
            _ => Err(InputError::SeveralCertificates { count }),
        }
    }

    /// A certificate in DER.
    ///
    /// # Errors
    /// The bytes are not one whole X.509 certificate. Only the outer form is looked at: whether the content will do
    /// is for AWS to judge.
    pub fn from_der(der: &[u8]) -> Result<Self, InputError> {
        if has_certificate_form(der).unwrap_or(false) {
            Ok(Self { der: der.to_vec() })
        } else {
            let found = format!("{} bytes that are not a whole X.509 certificate in DER", der.len());
            Err(InputError::NotACertificate { found })
        }
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

    /// The id that AWS will give to this certificate: the SHA-256 of the DER.
    ///
    /// Good for looking before writing. Once AWS has named an id, that one counts.
    pub fn id(&self) -> CertificateId {
        let digest = digest::digest(&digest::SHA256, &self.der);
        CertificateId(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl CertificateId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn named_by_aws(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// RFC 5280, section 4.1: a SEQUENCE of tbsCertificate, signatureAlgorithm and signatureValue, and nothing behind it.
fn has_certificate_form(der: &[u8]) -> der::Result<bool> {
    let whole = AnyRef::from_der(der)?;
    let mut parts = SliceReader::new(whole.value())?;
    let tags = [
        parts.decode::<AnyRef<'_>>()?.tag(),
        parts.decode::<AnyRef<'_>>()?.tag(),
        parts.decode::<AnyRef<'_>>()?.tag(),
    ];
    Ok(whole.tag() == Tag::Sequence
        && tags == [Tag::Sequence, Tag::Sequence, Tag::BitString]
        && parts.is_finished())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outer form of a certificate around nothing.
    const FORM: [u8; 9] = [0x30, 0x07, 0x30, 0x00, 0x30, 0x00, 0x03, 0x01, 0x00];

    fn block(label: &str, contents: &[u8]) -> String {
        pem::encode(&pem::Pem::new(label, contents))
    }

    #[test]
    fn id_is_the_sha256_of_the_der() {
        let certificate = DeviceCertificate::from_der(&FORM).unwrap();
        // printf '\x30\x07\x30\x00\x30\x00\x03\x01\x00' | sha256sum
        assert_eq!(
            certificate.id().as_str(),
            "511dcd0533ce392c18400e8832471ab20ae32538a17b3628f353055e53eeb74e"
        );
    }

    #[test]
    fn pem_and_der_give_the_same_certificate() {
        let of_der = DeviceCertificate::from_der(&FORM).unwrap();
        let of_pem =
            DeviceCertificate::from_pem(format!("subject=x\n{}\n", block("CERTIFICATE", &FORM)).as_bytes());
        assert_eq!(of_pem.unwrap(), of_der);
        assert_eq!(DeviceCertificate::from_pem(of_der.to_pem().as_bytes()).unwrap(), of_der);
        assert!(!of_der.to_pem().contains('\r'));
    }

    #[test]
    fn what_is_not_one_certificate_is_refused_by_name() {
        let certificate = block("CERTIFICATE", &FORM);
        for (name, file, says) in [
            ("empty", String::new(), "no PEM block"),
            ("text", "hello".to_owned(), "no PEM block"),
            ("key", block("EC PRIVATE KEY", &[1]), "private key"),
            ("key beside the certificate", certificate.clone() + &block("PRIVATE KEY", &[1]), "private key"),
            ("request", block("CERTIFICATE REQUEST", &FORM), "CERTIFICATE REQUEST"),
            ("two", certificate.repeat(2), "2 certificates"),
            ("garbage inside", block("CERTIFICATE", b"garbage"), "7 bytes"),
            ("cut off", block("CERTIFICATE", &FORM[..8]), "8 bytes"),
            ("bytes behind it", block("CERTIFICATE", &[&FORM[..], &[0]].concat()), "10 bytes"),
            ("bad base64", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_owned(), "PEM"),
        ] {
            let text = DeviceCertificate::from_pem(file.as_bytes()).unwrap_err().to_string();
            assert!(text.contains(says), "{name}: {text}");
        }
    }
}
