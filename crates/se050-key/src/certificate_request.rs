//! The request for a certificate (PKCS#10) of a key in the token.

use der::Encode as _;
use der::asn1::{Any, BitString, Null, ObjectIdentifier, SetOfVec, Utf8StringRef};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::request::{CertReq, CertReqInfo, Version};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::{Error, Key, KeyKind, Scheme, public_key};

/// id-at-commonName (RFC 5280, appendix A.1).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// sha256WithRSAEncryption (RFC 8017, appendix C).
const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
/// ecdsa-with-SHA256 (RFC 5758, section 3.2).
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// ecdsa-with-SHA384 (RFC 5758, section 3.2).
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
/// The longest common name, in characters (RFC 5280, appendix A.1, ub-common-name).
const LONGEST_COMMON_NAME: usize = 64;

impl Key {
    /// A certificate signing request for this key (PKCS#10, RFC 2986), in PEM, signed in the token. Its subject is the common
    /// name alone.
    ///
    /// # Errors
    /// [`Error::CommonName`] unless the name has 1 to 64 characters and none of them is a control character; those of
    /// [`Key::sign`].
    pub fn certificate_request(&self, common_name: &str) -> Result<String, Error> {
        let wrong =
            |reason: &str| Error::CommonName { text: common_name.to_owned(), reason: reason.to_owned() };
        if !(1..=LONGEST_COMMON_NAME).contains(&common_name.chars().count()) {
            return Err(wrong("it has to have 1 to 64 characters"));
        }
        if common_name.chars().any(char::is_control) {
            return Err(wrong("it holds a control character"));
        }
        let not_encoded = |error: der::Error| wrong(&format!("it cannot be encoded: {error}"));
        let info = CertReqInfo {
            version: Version::V1,
            subject: subject(common_name).map_err(not_encoded)?,
            public_key: self.public_key().to_spki().map_err(not_encoded)?,
            attributes: SetOfVec::new(),
        };
        let (scheme, algorithm) = match self.public_key().kind() {
            // RFC 8017, appendix A.2.4: the parameters are NULL. RFC 5758, section 3.2: they are absent.
            KeyKind::Rsa { .. } => (Scheme::RsaPkcs1Sha256, (SHA256_WITH_RSA, Some(Any::from(Null)))),
            KeyKind::EcP256 => (Scheme::EcdsaP256Sha256, (ECDSA_WITH_SHA256, None)),
            KeyKind::EcP384 => (Scheme::EcdsaP384Sha384, (ECDSA_WITH_SHA384, None)),
        };
        let signature = self.sign(scheme, &info.to_der().map_err(not_encoded)?)?;
        let request = CertReq {
            info,
            algorithm: AlgorithmIdentifierOwned { oid: algorithm.0, parameters: algorithm.1 },
            signature: BitString::from_bytes(&signature).map_err(not_encoded)?,
        };
        Ok(public_key::to_pem("CERTIFICATE REQUEST", request.to_der().map_err(not_encoded)?))
    }
}

fn subject(common_name: &str) -> der::Result<Name> {
    let value = Any::from(Utf8StringRef::new(common_name)?);
    let name = RelativeDistinguishedName::try_from(vec![AttributeTypeAndValue { oid: COMMON_NAME, value }])?;
    Ok(Name::hazmat_from_rdn_sequence(RdnSequence::from(vec![name])))
}
