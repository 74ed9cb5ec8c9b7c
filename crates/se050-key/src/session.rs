//! One open session with the token: each of its methods is one piece of work, and none of them recovers from anything.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki_sys::{CK_ATTRIBUTE_TYPE, CK_OBJECT_HANDLE, CKA_ALWAYS_AUTHENTICATE};

use crate::login::log_in;
use crate::raw::RawSession;
use crate::watchdog::Watchdog;
use crate::{CallError, Error, ObjectType, Pin, PublicKey, Scheme, Selector, TokenInfo};

/// How often an ECDSA signature of the wrong length is made again. NXP's module shortens 3 to 5 in 1000, so a
/// row of four is one in some 10^10.
const WRONG_LENGTHS: usize = 4;
/// How often a signature that does not verify is made: once more, since one transfer on the bus may be disturbed.
const WRONG_SIGNATURES: usize = 2;
/// After a call that took longer than this to fail, the chip is probed before the next call.
const LONG: Duration = Duration::from_secs(1);

/// Why a piece of work failed. `recovery.rs` makes the public error from it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A call failed, and the chip answers.
    Ckr { doing: String, source: CallError },
    /// The chip gives no sign of life, and took that long to show it.
    Silent { source: CallError, took: Duration },
    /// The chip answers, and has no such object.
    NoSuchObject { class: ObjectType, selector: String },
    /// What was asked for, found, read or signed is not what it should be.
    Wrong(Error),
}

/// Handles by what the user wrote.
pub(crate) type Handles = HashMap<(ObjectType, String), CK_OBJECT_HANDLE>;

/// The one session of the process with the token.
pub(crate) struct ChipSession {
    raw: RawSession,
    pub(crate) token: TokenInfo,
    pin: Option<Pin>,
    /// Handles that were looked up. NXP's stay valid in later sessions, since a handle is the object's id.
    pub(crate) handles: Handles,
    /// A signature failed, so the session is replaced: on NXP's module up to 4.3 it cannot sign any more, with any key.
    pub(crate) spent: bool,
    watchdog: Arc<Watchdog>,
}

impl ChipSession {
    /// Logs in, where the token asks for that.
    pub(crate) fn new(
        raw: RawSession,
        token: TokenInfo,
        pin: Option<Pin>,
        handles: Handles,
        watchdog: Arc<Watchdog>,
    ) -> Result<Self, Fault> {
        log_in(&raw, &token, pin.as_ref())?;
        Ok(Self { raw, token, pin, handles, spent: false, watchdog })
    }

    /// Whether the chip answers. The command costs one APDU, and works even in a session that cannot sign any more.
    pub(crate) fn answers(&self) -> bool {
        let asked = if self.token.has_random { self.raw.random() } else { self.raw.session_info() };
        asked.inspect(|()| self.watchdog.answered()).is_ok()
    }

    /// Makes one call of the module. If it fails, the chip is probed, since NXP's module returns the same few codes for
    /// everything.
    pub(crate) fn call<T>(
        &self,
        doing: impl FnOnce() -> String,
        call: impl FnOnce(&RawSession) -> Result<T, CallError>,
    ) -> Result<T, Fault> {
        let result = call(&self.raw);
        match result {
            Ok(value) => {
                self.watchdog.answered();
                Ok(value)
            }
            Err(source) => {
                let asked = Instant::now();
                if source.is_permanent() || self.answers() {
                    Err(Fault::Ckr { doing: doing(), source })
                } else {
                    Err(Fault::Silent { source, took: asked.elapsed() })
                }
            }
        }
    }

    /// The signature as TLS and X.509 want it: DER for ECDSA. Verified with the key's public half.
    pub(crate) fn sign(
        &mut self,
        key: &Selector,
        public_key: &PublicKey,
        scheme: Scheme,
        message: &[u8],
    ) -> Result<Vec<u8>, Fault> {
        let handle = self.handle(ObjectType::Private, key)?;
        let (input, expected) = (scheme.mechanism_input(message), public_key.signature_bytes());
        let (mut wrong_lengths, mut wrong_signatures) = (0, 0);
        loop {
            let signature = self.sign_once(handle, key, scheme, &input)?;
            let reason = if signature.len() != expected {
                wrong_lengths += 1;
                format!("it is {} bytes long and not {expected}", signature.len())
            } else if public_key.verifies(scheme, message, &signature) {
                return scheme.encoded(signature).map_err(|error| bad(key, error.to_string()));
            } else {
                wrong_signatures += 1;
                format!("it does not verify with the key's public half as {scheme}")
            };
            let most = if scheme.is_ecdsa() { WRONG_LENGTHS } else { WRONG_SIGNATURES };
            if wrong_lengths >= most || wrong_signatures >= WRONG_SIGNATURES {
                return Err(bad(key, reason));
            }
            tracing::debug!(%key, %scheme, reason, "the signature is made once more");
        }
    }

    fn sign_once(
        &mut self,
        handle: CK_OBJECT_HANDLE,
        key: &Selector,
        scheme: Scheme,
        input: &[u8],
    ) -> Result<Vec<u8>, Fault> {
        let (mechanism, parameters) = scheme.mechanism();
        let login = self.login_for_each_signature(handle);
        let doing = || format!("signing with the key {key} ({scheme})");
        let signature = self.call(doing, |raw| {
            let pin = login.as_ref().map(Pin::as_bytes);
            raw.sign(mechanism, parameters, handle, pin, input)
        });
        signature.map_err(|fault| {
            self.spent = true;
            self.unless_missing(ObjectType::Private, key, fault)
        })
    }

    /// The PIN, for a key with CKA_ALWAYS_AUTHENTICATE: it wants a login between C_SignInit and each C_Sign.
    fn login_for_each_signature(&self, key: CK_OBJECT_HANDLE) -> Option<Pin> {
        let pin = self.pin.as_ref().filter(|_| self.token.login_required)?;
        let value = self.raw.attribute(key, CKA_ALWAYS_AUTHENTICATE).ok()?;
        // CK_BBOOL: one byte, CK_FALSE is 0.
        (value.first().copied().unwrap_or(0) != 0).then(|| pin.clone())
    }

    /// One attribute, in one call.
    pub(crate) fn attribute(
        &self,
        object: CK_OBJECT_HANDLE,
        attribute: CK_ATTRIBUTE_TYPE,
        what: &str,
        selector: &Selector,
    ) -> Result<Vec<u8>, Fault> {
        self.call(|| format!("reading the {what} of {selector}"), |raw| raw.attribute(object, attribute))
    }

    /// Whether the attribute can be read. If the call took long to fail, the chip is probed.
    pub(crate) fn has(&self, object: CK_OBJECT_HANDLE, attribute: CK_ATTRIBUTE_TYPE) -> Result<bool, Fault> {
        let asked = Instant::now();
        match self.raw.attribute(object, attribute) {
            Ok(_) => {
                self.watchdog.answered();
                Ok(true)
            }
            Err(_) if asked.elapsed() < LONG => Ok(false),
            Err(source) => {
                let asked = Instant::now();
                if self.answers() { Ok(false) } else { Err(Fault::Silent { source, took: asked.elapsed() }) }
            }
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Wrong(error)
    }
}

fn bad(key: &Selector, reason: String) -> Fault {
    Fault::Wrong(Error::BadSignature { key: key.to_string(), reason })
}
