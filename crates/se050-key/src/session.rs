//! One open session with the token: each of its methods is one piece of work, and none of them recovers from anything.

use std::collections::HashMap;
use std::sync::Arc;

use cryptoki::object::ObjectHandle;
use cryptoki::session::Session as Pkcs11Session;
use cryptoki_sys::{CK_ATTRIBUTE_TYPE, CK_OBJECT_HANDLE};

use crate::lookup::{ByteOrder, Class};
use crate::pulse::Pulse;
use crate::raw::RawModule;
use crate::{CallError, Error, PublicKey, Scheme, Selector, TokenInfo, der_integer};

/// How often an ECDSA signature of the wrong length is made again. NXP's module shortens 3 to 5 in 1000, so a
/// row of four is one in some 10^10.
const ECDSA_TRIES: usize = 4;

/// The one session of the process with the token.
pub(crate) struct Session {
    pub(crate) session: Pkcs11Session,
    pub(crate) raw: Arc<RawModule>,
    pub(crate) token: TokenInfo,
    /// Handles that were looked up in this session. Gone with it: after a reopening they are looked up again.
    pub(crate) handles: HashMap<(Class, String), ObjectHandle>,
    /// The byte order in which the module takes labels, as soon as one was found.
    pub(crate) byte_order: Option<ByteOrder>,
    pub(crate) pulse: Arc<Pulse>,
}

impl Session {
    /// Whether the chip answers: the cheapest command there is, which works in a session that can sign no more, too.
    pub(crate) fn answers(&self) -> bool {
        let mut random = [0; 8];
        let answers = if self.token.has_random {
            self.session.generate_random_slice(&mut random).is_ok()
        } else {
            self.session.get_session_info().is_ok()
        };
        self.pulse.beat();
        answers
    }

    /// The failure of a token that gives no sign of life.
    pub(crate) fn no_answer<T>(&self) -> Result<T, Error> {
        Err(Error::ChipAway { token: self.token.label.clone(), retry_in: Default::default(), source: None })
    }

    /// The signature as TLS and X.509 want it: DER for ECDSA. Verified with the key's public half.
    pub(crate) fn sign(
        &mut self,
        key: &Selector,
        public_key: &PublicKey,
        scheme: Scheme,
        message: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let handle = self.handle(Class::PrivateKey, key)?;
        let bad = |reason: String| Error::BadSignature { key: key.to_string(), reason };
        let input = scheme.mechanism_input(message);
        let expected = public_key.signature_bytes();
        let is_ecdsa = scheme.is_ecdsa();
        for _ in 0..if is_ecdsa { ECDSA_TRIES } else { 1 } {
            let signature = self.sign_once(handle, key, scheme, &input)?;
            if signature.len() != expected {
                tracing::debug!(%key, %scheme, bytes = signature.len(), expected, "signature of the wrong length");
                continue;
            }
            if !public_key.verifies(scheme, message, &signature) {
                return Err(bad(format!("it does not verify with the key's public half as {scheme}")));
            }
            if !is_ecdsa {
                return Ok(signature);
            }
            return der_integer::ecdsa_signature(&signature).map_err(|error| bad(error.to_string()));
        }
        Err(bad(format!("it is not {expected} bytes long")))
    }

    fn sign_once(
        &self,
        handle: ObjectHandle,
        key: &Selector,
        scheme: Scheme,
        input: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let failed = |source| Error::Call {
            doing: format!("signing with the key {key} ({scheme})"),
            advice: "a new session was tried, or is not tried so soon again: check that the key may sign, and that nothing else \
                     uses the chip",
            source,
        };
        // The mechanism outlives C_Sign: NXP's module keeps a pointer to its parameter block until then.
        let mechanism = scheme.mechanism();
        self.session.sign_init(&mechanism, handle).map_err(|error| failed(CallError::new(error)))?;
        let signature = self.raw.sign(self.session.handle(), input).map_err(failed);
        self.pulse.beat();
        signature
    }

    /// One attribute, in one call.
    pub(crate) fn attribute(
        &self,
        object: CK_OBJECT_HANDLE,
        attribute: CK_ATTRIBUTE_TYPE,
        what: &str,
        selector: &Selector,
    ) -> Result<Vec<u8>, Error> {
        let value = self.raw.attribute(self.session.handle(), object, attribute);
        self.pulse.beat();
        value.map_err(|source| Error::Call {
            doing: format!("reading the {what} of {selector}"),
            advice: "check that the object is of the right kind (NXP's module cannot read a certificate over 2048 bytes)",
            source,
        })
    }
}
