//! What the chip does with a private key, and what the module makes of the result.

use cryptoki_sys::*;
use p256::ecdsa::signature::hazmat::RandomizedPrehashSigner as _;
use p256::ecdsa::{Signature, SigningKey};
use rsa::rand_core::OsRng;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use sha1::Sha1;
use sha2::digest::DynDigest;
use sha2::digest::const_oid::AssociatedOid;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::module::quirks::RawEcdsa;

/// PKCS#1 v1.5 around whatever is given: the DigestInfo is the client's business.
pub(super) fn rsa_pkcs(key: &RsaPrivateKey, data: &[u8]) -> Option<Vec<u8>> {
    key.sign_with_rng(&mut OsRng, Pkcs1v15Sign::new_unprefixed(), data).ok()
}

pub(super) fn rsa_pss(key: &RsaPrivateKey, hash: Hash, digest: &[u8]) -> Option<Vec<u8>> {
    key.sign_with_rng(&mut OsRng, (hash.pss)(hash.length), digest).ok()
}

/// Each signature has a nonce of its own, as on the chip: signing again gives another one.
///
/// Where a short one is wanted, or none, nonces are tried until there is one: some hundred attempts at most.
pub(super) fn ecdsa(key: &SigningKey, digest: &[u8], form: RawEcdsa, short: Option<bool>) -> Option<Vec<u8>> {
    loop {
        let mut signature: Signature = key.sign_prehash_with_rng(&mut OsRng, digest).ok()?;
        if short == Some(true) {
            // The smaller one of the two values that s may have: it is short twice as often.
            signature = signature.normalize_s().unwrap_or(signature);
        }
        let (r, s) = signature.split_bytes();
        let raw = [raw_component(&r, form), raw_component(&s, form)].concat();
        let length = 2 * r.len();
        let fits = short.is_none_or(|short| (raw.len() == length - form.bytes_lost()) == short);
        if fits && (short != Some(false) || raw.len() == length) {
            return Some(raw);
        }
    }
}

/// The chip answers in DER, and the module takes the numbers out of it without filling them up again.
fn raw_component(number: &[u8], form: RawEcdsa) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let significant = number.get(zeros..).unwrap_or_default();
    if form == RawEcdsa::LosesOne {
        return significant;
    }
    // A DER integer of odd length is thought to begin with a sign byte, which is dropped. So a number with a leading
    // zero byte comes out two bytes short (unless its next bit is set), and the signature is of no use.
    let sign_byte = significant.first().is_some_and(|byte| *byte >= 0x80);
    let der_length = significant.len() + usize::from(sign_byte);
    match (sign_byte, der_length % 2) {
        // Even with its sign byte, which is kept: the zero that was there before.
        (true, 0) => number.get(zeros.saturating_sub(1)..).unwrap_or_default(),
        (false, 1) => significant.get(1..).unwrap_or_default(),
        _ => significant,
    }
}

/// A hash that the module knows.
#[derive(Clone, Copy)]
pub(super) struct Hash {
    /// The digest's length in bytes.
    pub(super) length: usize,
    digest: fn(&[u8]) -> Vec<u8>,
    pkcs1: fn() -> Pkcs1v15Sign,
    pss: fn(usize) -> rsa::Pss,
}

impl Hash {
    pub(super) fn of_mechanism(mechanism: CK_MECHANISM_TYPE) -> Option<Self> {
        Some(match mechanism {
            CKM_SHA_1 => Self::of::<Sha1>(),
            CKM_SHA224 => Self::of::<Sha224>(),
            CKM_SHA256 => Self::of::<Sha256>(),
            CKM_SHA384 => Self::of::<Sha384>(),
            CKM_SHA512 => Self::of::<Sha512>(),
            _ => return None,
        })
    }

    pub(super) fn of<D: Digest + AssociatedOid + DynDigest + Send + Sync + 'static>() -> Self {
        let digest = |data: &[u8]| <D as Digest>::digest(data).to_vec();
        let length = <D as Digest>::output_size();
        Self { length, digest, pkcs1: Pkcs1v15Sign::new::<D>, pss: rsa::Pss::new_with_salt::<D> }
    }

    pub(super) fn digest(self, data: &[u8]) -> Vec<u8> {
        (self.digest)(data)
    }

    /// The digest in the DER that PKCS#1 v1.5 signs.
    pub(super) fn digest_info(self, data: &[u8]) -> Vec<u8> {
        [&(self.pkcs1)().prefix, self.digest(data).as_slice()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_as_short_as_nxps_module_makes_it() {
        let cases: &[(&str, &[u8], usize)] = &[
            ("full, sign bit set", &[0x80], 32),
            ("full, sign bit clear", &[0x7F], 32),
            ("one zero byte, then the sign bit", &[0x00, 0x80], 32),
            ("one zero byte", &[0x00, 0x7F], 30),
            ("two zero bytes", &[0x00, 0x00, 0x7F], 30),
            ("two zero bytes, then the sign bit", &[0x00, 0x00, 0x80], 30),
            ("three zero bytes", &[0x00, 0x00, 0x00, 0x7F], 28),
        ];
        for (case, start, length) in cases {
            let mut number = [0x11; 32];
            number[..start.len()].copy_from_slice(start);
            let raw = raw_component(&number, RawEcdsa::LosesTwo);
            assert_eq!(raw.len(), *length, "{case}");
            assert!(number.ends_with(raw), "{case}");
            let zeros = start.iter().take_while(|byte| **byte == 0).count();
            assert_eq!(raw_component(&number, RawEcdsa::LosesOne).len(), 32 - zeros, "{case}, on 4.7");
        }
    }
}
