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

/// The key pairs of variant C that cloud connections use; each one's certificate is the next id.
///
/// Source: NXP Plug & Trust Middleware documentation, section 3.17 "Key Id Range and Purpose", and
/// `ex_sss_objid.h`.
const KEYS: [FactoryKey; 6] = [
    FactoryKey { id: 0xF000_0100, kind: Kind::EcP256, purpose: "ECC-Cloud-Connection-0" },
    FactoryKey { id: 0xF000_0102, kind: Kind::EcP256, purpose: "ECC-Cloud-Connection-1" },
    FactoryKey { id: 0xF000_0110, kind: Kind::Rsa2048, purpose: "RSA2K-Cloud-Connection-0" },
    FactoryKey { id: 0xF000_0112, kind: Kind::Rsa2048, purpose: "RSA2K-Cloud-Connection-1" },
    FactoryKey { id: 0xF000_0120, kind: Kind::Rsa4096, purpose: "RSA4K-Cloud-Connection-0" },
    FactoryKey { id: 0xF000_0122, kind: Kind::Rsa4096, purpose: "RSA4K-Cloud-Connection-1" },
];

struct FactoryKey {
    id: u32,
    kind: Kind,
    purpose: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    EcP256,
    Rsa2048,
    /// Many seconds of looking for primes, so only on request.
    Rsa4096,
}

/// Puts the factory's keys and certificates into the store.
pub(super) fn provision(store: &Store, authority: &Authority, rsa4096: bool) -> Result<(), Error> {
    let uid = unique_id();
    // Looking for RSA primes is what a new chip takes its time for.
    thread::scope(|scope| {
        let keys = KEYS.iter().filter(|key| rsa4096 || key.kind != Kind::Rsa4096);
        let makers: Vec<_> = keys.map(|key| scope.spawn(move || (key.kind.generate(), key))).collect();
        for maker in makers {
            let (pair, key) = maker.join().map_err(|_| {
                let source = BoxedError::from("its thread panicked");
                Error::factory("a key pair")(source)
            })?;
            let pair = pair.map_err(Error::factory("a key pair"))?;
            let certificate = authority.issue(&format!("{}-{uid}", key.purpose), &pair.public)?;
            store.put_key(key.id, &pair.pkcs8)?;
            store.put_binary(key.id + 1, &certificate)?;
        }
        Ok(())
    })
}

struct Pair {
    pkcs8: Vec<u8>,
    public: PublicKey,
}

impl Kind {
    fn generate(self) -> Result<Pair, BoxedError> {
        Ok(match self {
            Self::EcP256 => {
                let key = SigningKey::random(&mut OsRng);
                let point = key.verifying_key().to_encoded_point(false);
                Pair {
                    pkcs8: key.to_pkcs8_der()?.as_bytes().to_vec(),
                    public: PublicKey::EcP256(point.as_bytes().to_vec()),
                }
            }
            Self::Rsa2048 => rsa_pair(2048)?,
            Self::Rsa4096 => rsa_pair(4096)?,
        })
    }
}

fn rsa_pair(bits: usize) -> Result<Pair, BoxedError> {
    let key = RsaPrivateKey::new(&mut OsRng, bits)?;
    let public = key.to_public_key().to_pkcs1_der()?.into_vec();
    Ok(Pair { pkcs8: key.to_pkcs8_der()?.as_bytes().to_vec(), public: PublicKey::Rsa(public) })
}

/// A chip's unique id: 18 bytes, in hex. It makes the certificates' subjects differ from chip to chip.
fn unique_id() -> String {
    let mut uid = [0; 18];
    OsRng.fill_bytes(&mut uid);
    uid.iter().map(|byte| format!("{byte:02x}")).collect()
}
