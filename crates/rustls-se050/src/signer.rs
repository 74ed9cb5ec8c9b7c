//! The key in the chip as a rustls signing key.

use std::sync::Arc;

use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::sign::{Signer, SigningKey};
use rustls::{OtherError, SignatureAlgorithm, SignatureScheme};
use se050_key::{Key, KeyKind, Scheme};

use crate::scheme::{self, pss_is_costly};

/// A key in the chip.
#[derive(Debug)]
pub(crate) struct ChipKey {
    pub(crate) key: Key,
    /// What the key can do, the best first.
    pub(crate) schemes: Vec<(SignatureScheme, Scheme)>,
}

/// A key in the chip and the scheme that was negotiated.
#[derive(Debug)]
struct ChipSigner {
    key: Key,
    tls_scheme: SignatureScheme,
    scheme: Scheme,
}

impl ChipKey {
    pub(crate) fn new(key: Key) -> Self {
        let schemes = scheme::preference(key.public_key().kind(), pss_is_costly(key.token_info()));
        Self { key, schemes }
    }
}

impl SigningKey for ChipKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let &(tls_scheme, scheme) = self.schemes.iter().find(|(tls, _)| offered.contains(tls))?;
        Some(Box::new(ChipSigner { key: self.key.clone(), tls_scheme, scheme }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.key.public_key().as_spki_der()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.key.public_key().kind() {
            KeyKind::Rsa { .. } => SignatureAlgorithm::RSA,
            _ => SignatureAlgorithm::ECDSA,
        }
    }
}

impl Signer for ChipSigner {
    /// Blocks until the chip has answered, at most for the token's deadline.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.key.sign(self.scheme, message).map_err(|error| rustls::Error::Other(OtherError(Arc::new(error))))
    }

    fn scheme(&self) -> SignatureScheme {
        self.tls_scheme
    }
}
