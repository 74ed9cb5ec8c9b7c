//! The public half of a key.

use der::asn1::{Any, BitString, Null, ObjectIdentifier, UintRef};
use der::{Decode as _, Encode as _};
use ring::{digest, signature};
use x509_cert::der::oid::db::rfc5912::{ID_EC_PUBLIC_KEY, RSA_ENCRYPTION, SECP_256_R_1, SECP_384_R_1};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::{KeyKind, Scheme};

/// The bytes of an uncompressed point: 4, and two coordinates of 32 or 48 bytes (SEC 1, section 2.3.3).
const P256_POINT: usize = 65;
const P384_POINT: usize = 97;

/// The sizes of RSA key that can sign here: ring verifies no smaller ones, NXP's chip has no larger ones (NXP AN12413).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// A public key, as an X.509 SubjectPublicKeyInfo.
#[derive(Debug, Clone)]
pub struct PublicKey {
    kind: KeyKind,
    spki: Vec<u8>,
    /// What the SubjectPublicKeyInfo's bit string holds: RSAPublicKey, or the uncompressed point.
    bits: Vec<u8>,
}

impl PublicKey {
    /// What kind of key it is.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The SubjectPublicKeyInfo in DER.
    pub fn as_spki_der(&self) -> &[u8] {
        &self.spki
    }

    pub(crate) fn to_spki(&self) -> Result<SubjectPublicKeyInfoOwned, der::Error> {
        SubjectPublicKeyInfoOwned::from_der(&self.spki)
    }

    /// SHA-256 of the SubjectPublicKeyInfo, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        hex(digest::digest(&digest::SHA256, &self.spki).as_ref())
    }

    /// From the modulus and the public exponent, both big-endian.
    pub(crate) fn from_rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, String> {
        // `RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }` (RFC 8017, appendix A.1.1).
        let integer = UintRef::new;
        let key = integer(modulus).and_then(|modulus| vec![modulus, integer(exponent)?].to_der());
        Self::from_spki(spki(RSA_ENCRYPTION, Any::from(Null), &key.map_err(|error| error.to_string())?)?)
    }

    /// From CKA_EC_POINT: the uncompressed point in a DER OCTET STRING, or bare, as some tokens return it. The length tells the
    /// curve, since CKA_EC_PARAMS is not readable in every version of NXP's module.
    pub(crate) fn from_ec_point(ec_point: &[u8]) -> Result<Self, String> {
        let point = match ec_point {
            // The first byte of an uncompressed point is 4, and so is the tag of an OCTET STRING.
            [4, ..] if matches!(ec_point.len(), P256_POINT | P384_POINT) => ec_point,
            _ => <&der::asn1::OctetStringRef>::from_der(ec_point)
                .map_err(|error| error.to_string())?
                .as_bytes(),
        };
        let curve = match point.len() {
            P256_POINT => SECP_256_R_1,
            P384_POINT => SECP_384_R_1,
            other => return Err(format!("a point of {other} bytes is on no supported curve")),
        };
        Self::from_spki(spki(ID_EC_PUBLIC_KEY, Any::from(curve), point)?)
    }

    pub(crate) fn from_spki(spki: SubjectPublicKeyInfoOwned) -> Result<Self, String> {
        let bits = spki.subject_public_key.raw_bytes().to_vec();
        let kind = if spki.algorithm.oid == RSA_ENCRYPTION {
            KeyKind::Rsa { bits: modulus_bits(&bits)? }
        } else if spki.algorithm.oid == ID_EC_PUBLIC_KEY {
            let parameters = spki.algorithm.parameters.as_ref().ok_or("the curve is missing")?;
            match parameters.decode_as::<ObjectIdentifier>() {
                Ok(SECP_256_R_1) => KeyKind::EcP256,
                Ok(SECP_384_R_1) => KeyKind::EcP384,
                Ok(other) => return Err(format!("the curve {other}")),
                Err(error) => return Err(format!("the curve is not named: {error}")),
            }
        } else {
            return Err(format!("a key of the algorithm {}", spki.algorithm.oid));
        };
        let spki = spki.to_der().map_err(|error| error.to_string())?;
        Ok(Self { kind, spki, bits })
    }

    /// The same key, unless it is an RSA key of an unsupported size: its signatures would later fail to verify.
    pub(crate) fn of_supported_size(self) -> Result<Self, String> {
        match self.kind {
            KeyKind::Rsa { bits } if !RSA_BITS.contains(&bits) => Err(format!("RSA with {bits} bits")),
            _ => Ok(self),
        }
    }

    /// An RSA key's public exponent, big-endian.
    pub(crate) fn rsa_exponent(&self) -> Option<Vec<u8>> {
        let integers = Vec::<UintRef<'_>>::from_der(&self.bits).ok()?;
        integers.get(1).map(|exponent| exponent.as_bytes().to_vec())
    }

    /// Whether that is a signature of the message, in the form in which PKCS#11 gives it.
    pub(crate) fn verifies(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
        signature::UnparsedPublicKey::new(scheme.verification(), &self.bits)
            .verify(message, signature)
            .is_ok()
    }

    /// How long a signature of this key is in PKCS#11, in bytes.
    pub(crate) fn signature_bytes(&self) -> usize {
        match self.kind {
            KeyKind::Rsa { bits } => bits.div_ceil(8),
            KeyKind::EcP256 => 64,
            KeyKind::EcP384 => 96,
        }
    }
}

/// Compares the numbers only: the algorithm of an RSA key may be written with or without its NULL parameters.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.bits) == (other.kind, &other.bits)
    }
}

impl Eq for PublicKey {}

pub(crate) fn to_pem(tag: &str, der: Vec<u8>) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, der), config)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn spki(oid: ObjectIdentifier, parameters: Any, key: &[u8]) -> Result<SubjectPublicKeyInfoOwned, String> {
    let algorithm = AlgorithmIdentifierOwned { oid, parameters: Some(parameters) };
    let subject_public_key = BitString::from_bytes(key).map_err(|error| error.to_string())?;
    Ok(SubjectPublicKeyInfoOwned { algorithm, subject_public_key })
}

fn modulus_bits(rsa_public_key: &[u8]) -> Result<usize, String> {
    let integers = Vec::<UintRef<'_>>::from_der(rsa_public_key).map_err(|error| error.to_string())?;
    let modulus = integers.first().ok_or("an RSA key without a modulus")?.as_bytes();
    let leading_zeros = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    Ok(modulus.len() * 8 - leading_zeros)
}

/// What a fuzzer calls where there is no public function: attributes that the module returns. They must not panic, whatever the
/// bytes are. Not part of a build for use.
#[cfg(any(test, fuzzing))]
pub mod fuzzing {
    use super::PublicKey;

    /// CKA_EC_POINT; then CKA_MODULUS and CKA_PUBLIC_EXPONENT, the first byte telling how long the exponent is.
    pub fn attributes(bytes: &[u8]) {
        check(PublicKey::from_ec_point(bytes));
        let Some((length, rest)) = bytes.split_first() else { return };
        let (exponent, modulus) = rest.split_at(rest.len().min(usize::from(*length)));
        check(PublicKey::from_rsa(modulus, exponent));
    }

    fn check(key: Result<PublicKey, String>) {
        let Ok(key) = key else { return };
        let _ = (key.fingerprint(), key.rsa_exponent(), key.signature_bytes());
        let again = key.to_spki().map_err(|error| error.to_string()).and_then(PublicKey::from_spki);
        assert_eq!(again, Ok(key));
    }
}

#[cfg(test)]
mod tests {
    use der::Encode as _;

    use super::*;

    #[test]
    fn a_point_is_taken_bare_and_in_an_octet_string() {
        for (bytes, kind) in [(P256_POINT, KeyKind::EcP256), (P384_POINT, KeyKind::EcP384)] {
            let mut bare = vec![7; bytes];
            bare[0] = 4;
            let wrapped = der::asn1::OctetString::new(bare.clone()).unwrap().to_der().unwrap();
            let keys = [&bare, &wrapped].map(|point| PublicKey::from_ec_point(point).unwrap());
            assert_eq!((keys[0].kind(), &keys[0]), (kind, &keys[1]));
        }
        for wrong in [&[][..], &[4], &[4; 64], &[2; 65]] {
            assert!(PublicKey::from_ec_point(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn no_attribute_makes_it_panic() {
        test_peers::fuzz("attributes", fuzzing::attributes);
    }
}
