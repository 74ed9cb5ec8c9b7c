//! What a fuzzer calls where there is no public function: attributes that the module returns. They must not panic, whatever the
//! bytes are. Not part of a build for use.

use crate::PublicKey;

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

#[cfg(test)]
mod tests {
    #[test]
    fn no_attribute_makes_it_panic() {
        test_peers::fuzz("attributes", super::attributes);
    }
}
