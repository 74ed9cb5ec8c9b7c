//! A private key that takes as long as a slow chip.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{ClientConfig, Error, SignatureAlgorithm, SignatureScheme};

/// An RSA-4096 signature of an SE050 takes about this long, and a disturbed bus longer.
const SIGNATURE: Duration = Duration::from_secs(2);

/// The same configuration with a key that takes two seconds for each signature, and blocks its thread for so long.
///
/// # Panics
/// The configuration has no client certificate.
pub fn with_slow_key(tls: &ClientConfig) -> Arc<ClientConfig> {
    let schemes = [SignatureScheme::ECDSA_NISTP256_SHA256];
    let known = tls.client_auth_cert_resolver.resolve(&[], &schemes).expect("a client certificate");
    let key = CertifiedKey::new(known.cert.clone(), Arc::new(SlowKey(Arc::clone(&known.key))));
    let mut slow = tls.clone();
    slow.client_auth_cert_resolver = Arc::new(Only(Arc::new(key)));
    Arc::new(slow)
}

#[derive(Debug)]
struct Only(Arc<CertifiedKey>);

impl ResolvesClientCert for Only {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct SlowKey(Arc<dyn SigningKey>);

impl SigningKey for SlowKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(SlowSigner(self.0.choose_scheme(offered)?)))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

#[derive(Debug)]
struct SlowSigner(Box<dyn Signer>);

impl Signer for SlowSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        std::thread::sleep(SIGNATURE);
        self.0.sign(message)
    }

    fn scheme(&self) -> SignatureScheme {
        self.0.scheme()
    }
}
