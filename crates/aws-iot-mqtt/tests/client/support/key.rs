//! Keys that do something before they sign.

use std::fmt;
use std::sync::Arc;

use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

/// What happens before each signature.
pub(crate) type Before = Arc<dyn Fn() -> Result<(), rustls::Error> + Send + Sync>;

pub(crate) struct Key {
    inner: Arc<dyn SigningKey>,
    before: Before,
}

impl Key {
    pub(crate) fn wrap(key: CertifiedKey, before: Before) -> CertifiedKey {
        CertifiedKey::new(key.cert, Arc::new(Self { inner: key.key, before }))
    }
}

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let inner = self.inner.choose_scheme(offered)?;
        Some(Box::new(KeySigner { inner, before: Arc::clone(&self.before) }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

struct KeySigner {
    inner: Box<dyn Signer>,
    before: Before,
}

impl Signer for KeySigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        (self.before)()?;
        self.inner.sign(message)
    }

    fn scheme(&self) -> SignatureScheme {
        self.inner.scheme()
    }
}

impl fmt::Debug for KeySigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySigner")
    }
}
