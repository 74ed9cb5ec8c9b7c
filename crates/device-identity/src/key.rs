use std::fmt;

use der::Decode as _;
use der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// rsaEncryption (RFC 8017, appendix C).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// id-ecPublicKey (RFC 5480, section 2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// The named curves that AWS IoT takes (RFC 5480, section 2.1.1.1).
const CURVES: [(ObjectIdentifier, KeyKind); 3] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), KeyKind::EcP256),
    (ObjectIdentifier::new_unwrap("1.3.132.0.34"), KeyKind::EcP384),
    (ObjectIdentifier::new_unwrap("1.3.132.0.35"), KeyKind::EcP521),
];

/// Shortest RSA key that AWS IoT takes, in bits (AWS IoT developer guide, "X.509 client certificates").
const RSA_BITS: usize = 2048;

/// What kind of key a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// RSA.
    Rsa {
        /// The length of the modulus in bits.
        bits: usize,
    },
    /// Elliptic curve P-256.
    EcP256,
    /// Elliptic curve P-384.
    EcP384,
    /// Elliptic curve P-521.
    EcP521,
    /// Any other.
    Other,
}

impl KeyKind {
    /// Whether AWS IoT takes such a key.
    pub fn is_strong(self) -> bool {
        match self {
            Self::Rsa { bits } => bits >= RSA_BITS,
            Self::EcP256 | Self::EcP384 | Self::EcP521 => true,
            Self::Other => false,
        }
    }

    pub(crate) fn of(key: &SubjectPublicKeyInfoOwned) -> Self {
        if key.algorithm.oid == RSA {
            return Self::Rsa { bits: modulus_bits(key.subject_public_key.raw_bytes()).unwrap_or(0) };
        }
        let curve =
            key.algorithm.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
        let known = CURVES.iter().find(|(oid, _)| key.algorithm.oid == EC && curve == Some(*oid));
        known.map_or(Self::Other, |(_, kind)| *kind)
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA-{bits}"),
            Self::EcP256 => f.write_str("EC P-256"),
            Self::EcP384 => f.write_str("EC P-384"),
            Self::EcP521 => f.write_str("EC P-521"),
            Self::Other => f.write_str("an algorithm or curve that is not known here"),
        }
    }
}

fn modulus_bits(rsa_public_key: &[u8]) -> Option<usize> {
    let integers = Vec::<UintRef<'_>>::from_der(rsa_public_key).ok()?;
    let modulus = integers.first()?.as_bytes();
    Some(modulus.len() * 8 - modulus.first()?.leading_zeros() as usize)
}
