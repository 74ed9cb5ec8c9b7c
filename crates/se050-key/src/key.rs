//! A private key that stays in the token.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::selector::Target;
use crate::worker::Worker;
use crate::{Certificate, Error, PublicKey, Scheme, Selector, TokenInfo};

/// How often an ECDSA signature of the wrong length is made again. NXP's module shortens 3 to 5 in 1000, so a
/// row of four is one in some 10^10.
const WRONG_LENGTHS: usize = 4;
/// How often a signature that does not verify is made: once more, since one transfer on the bus may be disturbed.
const WRONG_SIGNATURES: usize = 2;

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
    target: Target,
    public_key: PublicKey,
}

impl Key {
    pub(crate) fn new(worker: Arc<Worker>, target: Target, public_key: PublicKey) -> Self {
        Self { worker, named: Arc::new(Named { target, public_key }) }
    }

    /// How the key was named.
    pub fn selector(&self) -> &Selector {
        &self.named.target.selector
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
        let result = self.sign_verified(scheme, message);
        let elapsed = started.elapsed();
        tracing::debug!(key = %self.selector(), %scheme, ok = result.is_ok(), ?elapsed, "chip signature");
        result
    }

    fn sign_verified(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        let bad = |reason| Error::BadSignature { key: self.selector().to_string(), reason };
        let (input, expected) = (scheme.mechanism_input(message), self.public_key().signature_bytes());
        let (mut wrong_lengths, mut wrong_signatures) = (0, 0);
        loop {
            // The request must not hold the worker: if it held the last reference, the worker thread would wait for itself.
            let (named, input) = (Arc::clone(&self.named), input.clone());
            let signature =
                self.worker.call("signing", move |recovery| recovery.sign(&named.target, scheme, &input))?;
            let reason = if signature.len() != expected {
                wrong_lengths += 1;
                format!("it is {} bytes long and not {expected}", signature.len())
            } else if self.public_key().verifies(scheme, message, &signature) {
                return scheme.encoded(signature).map_err(|error| bad(error.to_string()));
            } else {
                wrong_signatures += 1;
                format!("it does not verify with the key's public half as {scheme}")
            };
            let most = if scheme.is_ecdsa() { WRONG_LENGTHS } else { WRONG_SIGNATURES };
            if wrong_lengths >= most || wrong_signatures >= WRONG_SIGNATURES {
                return Err(bad(reason));
            }
            tracing::debug!(key = %self.selector(), %scheme, reason, "the signature is made once more");
        }
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
