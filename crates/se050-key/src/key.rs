//! A private key that stays in the token.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::worker::Worker;
use crate::{Certificate, Error, PublicKey, Scheme, Selector, TokenInfo};

/// A private key in the token. Cheap to clone.
///
/// It holds no PKCS#11 handle, so it stays usable after the session was replaced: the worker thread looks the handle up once in
/// each session.
#[derive(Clone)]
pub struct Key {
    worker: Arc<Worker>,
    named: Arc<Named>,
}

/// What the key is.
struct Named {
    selector: Selector,
    public_key: PublicKey,
}

impl Key {
    pub(crate) fn new(worker: Arc<Worker>, selector: Selector, public_key: PublicKey) -> Self {
        Self { worker, named: Arc::new(Named { selector, public_key }) }
    }

    /// How the key was named.
    pub fn selector(&self) -> &Selector {
        &self.named.selector
    }

    /// What the token that keeps the key says of itself.
    pub fn token_info(&self) -> &TokenInfo {
        self.worker.info()
    }

    /// The public half: what the token gives, or its certificate's, which was compared with the token's.
    pub fn public_key(&self) -> &PublicKey {
        &self.named.public_key
    }

    /// Signs the message: hashed here, signed once in the chip, verified here. ECDSA signatures are DER (RFC 3279).
    ///
    /// Blocks until the chip has answered, or has been silent for the token's deadline. A broken session is replaced, and the
    /// signature is tried once more.
    ///
    /// # Errors
    /// [`Error::SchemeDoesNotFit`]; [`Error::Call`] when the chip answers, but not with a signature; [`Error::ChipUnreachable`] when it
    /// does not answer, and [`Error::RestartNeeded`] when this process cannot open it any more; [`Error::BadSignature`];
    /// [`Error::Timeout`], and [`Error::Hanging`] while an earlier request hangs.
    pub fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        let kind = self.public_key().kind();
        if !scheme.fits(kind) {
            return Err(Error::SchemeDoesNotFit { key: self.selector().to_string(), kind, scheme });
        }
        let started = Instant::now();
        // The request must not hold the worker: if it held the last reference, the worker thread would wait for itself.
        let (named, message) = (Arc::clone(&self.named), message.to_vec());
        let result = self.worker.call("signing", move |recovery| {
            recovery.sign(named.selector.as_str(), |session| {
                session.sign(&named.selector, &named.public_key, scheme, &message)
            })
        });
        let elapsed = started.elapsed();
        tracing::debug!(key = %self.selector(), %scheme, ok = result.is_ok(), ?elapsed, "chip signature");
        result
    }

    /// Checks that the certificate was issued for this key.
    ///
    /// # Errors
    /// [`Error::KeyMismatch`], which names both fingerprints.
    pub fn check_certificate(&self, certificate: &Certificate) -> Result<(), Error> {
        certificate.check_issued_for(self.selector(), self.public_key())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("selector", self.selector())
            .field("kind", &self.public_key().kind())
            .finish()
    }
}
