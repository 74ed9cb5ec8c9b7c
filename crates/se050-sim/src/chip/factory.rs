//! What the factory puts into an SE050 of variant C before it is sold.

use std::thread;

use p256::ecdsa::SigningKey;
use p256::pkcs8::EncodePrivateKey as _;
use rsa::RsaPrivateKey;
use rsa::pkcs1::EncodeRsaPublicKey as _;
use rsa::rand_core::{OsRng, RngCore as _};

use super::certificates::{Authority, PublicKey};
use crate::chip::Store;
use crate::error::{BoxedError, Error};

/// The key pairs of variant C that cloud connections use: id, bits, purpose. Each one's certificate is the next id.
///
/// Source: NXP Plug & Trust Middleware documentation, section 3.17 "Key Id Range and Purpose", and
/// `ex_sss_objid.h`.
const KEYS: [(u32, usize, &str); 6] = [
    (0xF000_0100, EC_P256, "ECC-Cloud-Connection-0"),
    (0xF000_0102, EC_P256, "ECC-Cloud-Connection-1"),
    (0xF000_0110, 2048, "RSA2K-Cloud-Connection-0"),
    (0xF000_0112, 2048, "RSA2K-Cloud-Connection-1"),
    (0xF000_0120, RSA_4096, "RSA4K-Cloud-Connection-0"),
    (0xF000_0122, RSA_4096, "RSA4K-Cloud-Connection-1"),
];
const EC_P256: usize = 256;
/// Many seconds of looking for primes, so only on request.
const RSA_4096: usize = 4096;

/// Puts the factory's keys and certificates into the store.
pub(super) fn provision(store: &Store, authority: &Authority, rsa4096: bool) -> Result<(), Error> {
    let uid = unique_id();
    // Looking for RSA primes is what a new chip takes its time for.
    thread::scope(|scope| {
        let keys = KEYS.iter().filter(|(_, bits, _)| rsa4096 || *bits != RSA_4096);
        let makers: Vec<_> = keys.map(|key| (scope.spawn(|| generate(key.1)), key)).collect();
        for (maker, (id, _, purpose)) in makers {
            let pair = maker.join().unwrap_or_else(|_| Err("its thread panicked".into()));
            let (pkcs8, public) = pair.map_err(Error::factory("a key pair"))?;
            store.put_key(*id, &pkcs8)?;
            store.put_binary(id + 1, &authority.issue(&format!("{purpose}-{uid}"), &public)?)?;
        }
        Ok(())
    })
}

/// A key pair of that many bits: in PKCS#8, and its public half.
fn generate(bits: usize) -> Result<(Vec<u8>, PublicKey), BoxedError> {
    if bits == EC_P256 {
        let key = SigningKey::random(&mut OsRng);
        let point = key.verifying_key().to_encoded_point(false);
        return Ok((key.to_pkcs8_der()?.as_bytes().to_vec(), PublicKey::EcP256(point.as_bytes().to_vec())));
    }
    let key = RsaPrivateKey::new(&mut OsRng, bits)?;
    let public = key.to_public_key().to_pkcs1_der()?.into_vec();
    Ok((key.to_pkcs8_der()?.as_bytes().to_vec(), PublicKey::Rsa(public)))
}

/// A chip's unique id: 18 bytes, in hex. It makes the certificates' subjects differ from chip to chip.
fn unique_id() -> String {
    let mut uid = [0; 18];
    OsRng.fill_bytes(&mut uid);
    uid.iter().map(|byte| format!("{byte:02x}")).collect()
}
