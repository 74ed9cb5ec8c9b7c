//! A private key that stays in the token.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use cryptoki::object::ObjectHandle;

use crate::owner::Owner;
use crate::{Certificate, Error, PublicKey, Scheme, Selector};

/// A private key in the token. Cheap to clone.
#[derive(Clone)]
pub struct Key {
    owner: Arc<Owner>,
    selector: Selector,
    handle: ObjectHandle,
    public_key: PublicKey,
}

impl Key {
    pub(crate) fn new(
        owner: Arc<Owner>,
        selector: Selector,
        handle: ObjectHandle,
        public_key: PublicKey,
    ) -> Self {
        Self { owner, selector, handle, public_key }
    }

    /// How the key was named.
    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// The public half, as the token gives it.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Signs the message: hashed here, signed once in the chip, verified here. ECDSA signatures are DER (RFC 3279).
    ///
    /// Blocks until the chip has answered, at most for the token's deadline.
    ///
    /// # Errors
    /// [`Error::SchemeDoesNotFit`]; [`Error::Call`] when the chip fails; [`Error::BadSignature`]; [`Error::Timeout`].
    pub fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        let kind = self.public_key.kind();
        if !scheme.fits(kind) {
            return Err(Error::SchemeDoesNotFit { key: self.selector.to_string(), kind, scheme });
        }
        let started = Instant::now();
        let (key, message) = (self.clone_parts(), message.to_vec());
        let result = self.owner.call("signing", move |session| {
            let (handle, selector, public_key) = key;
            session.sign(handle, &selector, &public_key, scheme, &message)
        });
        tracing::debug!(key = %self.selector, %scheme, ok = result.is_ok(), elapsed = ?started.elapsed(), "chip signature");
        result
    }

    /// Checks that the certificate was issued for this key.
    ///
    /// # Errors
    /// [`Error::KeyMismatch`], which names both fingerprints.
    pub fn check_certificate(&self, certificate: &Certificate) -> Result<(), Error> {
        if self.public_key == *certificate.public_key() {
            return Ok(());
        }
        Err(Error::KeyMismatch {
            key: self.selector.to_string(),
            key_fingerprint: self.public_key.fingerprint(),
            certificate_fingerprint: certificate.public_key().fingerprint(),
        })
    }

    /// What a signature needs, without the way to the owner thread: a request that holds that way could be the last
    /// to hold it, and the thread would wait for itself.
    fn clone_parts(&self) -> (ObjectHandle, Selector, PublicKey) {
        (self.handle, self.selector.clone(), self.public_key.clone())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("selector", &self.selector)
            .field("kind", &self.public_key.kind())
            .finish()
    }
}
