//! Which keys and signatures a certificate may have.

use der::asn1::{ObjectIdentifier, UintRef};
use der::{Decode as _, Encode as _, Reader as _, SliceReader};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::ApiError;
use super::certificate::validation;

/// Accepts RSA from 2048 bits and the curves P-256, P-384, P-521
/// (AWS IoT developer guide, "X.509 client certificates").
pub(super) fn check_key(key: &SubjectPublicKeyInfoOwned) -> Result<(), ApiError> {
    const RSA: &str = "1.2.840.113549.1.1.1";
    const EC: &str = "1.2.840.10045.2.1";
    const CURVES: [&str; 3] = ["1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"];
    const MODULUS_BITS: usize = 2048;
    match key.algorithm.oid.to_string().as_str() {
        RSA => match rsa_modulus_bits(key.subject_public_key.raw_bytes()) {
            Ok(bits) if bits >= MODULUS_BITS => Ok(()),
            _ => Err(validation("its RSA key is shorter than 2048 bits")),
        },
        EC => {
            let curve = key.algorithm.parameters.as_ref().and_then(|any| any.to_der().ok());
            let curve: Option<ObjectIdentifier> = curve.and_then(|der| ObjectIdentifier::from_der(&der).ok());
            match curve {
                Some(curve) if CURVES.contains(&curve.to_string().as_str()) => Ok(()),
                _ => Err(validation("its EC key is on none of the curves P-256, P-384, P-521")),
            }
        }
        _ => Err(validation("its key is neither RSA nor EC")),
    }
}

/// Accepts RSA (PKCS #1 v1.5 and PSS), ECDSA and DSA with SHA-256 or longer, so not SHA-1 or MD5
/// (AWS IoT developer guide, "X.509 client certificates", "Supported certificate signing algorithms").
pub(super) fn check_signature_algorithm(algorithm: &ObjectIdentifier) -> Result<(), ApiError> {
    const ACCEPTED: [&str; 8] = [
        "1.2.840.113549.1.1.10",
        "1.2.840.113549.1.1.11",
        "1.2.840.113549.1.1.12",
        "1.2.840.113549.1.1.13",
        "1.2.840.10045.4.3.2",
        "1.2.840.10045.4.3.3",
        "1.2.840.10045.4.3.4",
        "2.16.840.1.101.3.4.3.2",
    ];
    if ACCEPTED.contains(&algorithm.to_string().as_str()) {
        return Ok(());
    }
    Err(validation("it is not signed with SHA-256, SHA-384 or SHA-512"))
}

fn rsa_modulus_bits(public_key: &[u8]) -> der::Result<usize> {
    let mut reader = SliceReader::new(public_key)?;
    reader.sequence(|fields: &mut SliceReader<'_>| -> der::Result<usize> {
        let modulus = UintRef::decode(fields)?;
        let _exponent = UintRef::decode(fields)?;
        let first = modulus.as_bytes().first().copied().unwrap_or_default();
        Ok((modulus.as_bytes().len() * 8).saturating_sub(first.leading_zeros() as usize))
    })
}
