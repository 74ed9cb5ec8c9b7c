//! One open session with the token: each of its methods is one piece of work, and none of them recovers from anything.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki_sys::{CK_ATTRIBUTE_TYPE, CK_OBJECT_HANDLE, CKA_ALWAYS_AUTHENTICATE};

use crate::raw::RawSession;
use crate::selector::Target;
use crate::worker::Watchdog;
use crate::{CallError, ObjectType, Pin, Scheme, Selector, TokenInfo};

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
    NoSuchObject { class: ObjectType, selector: Selector },
    /// It has several that fit.
    Ambiguous { class: ObjectType, selector: Selector, objects: Vec<String> },
}

/// Handles by what the user wrote.
pub(crate) type Handles = HashMap<(ObjectType, String), CK_OBJECT_HANDLE>;

/// The one session of the process with the token.
pub(crate) struct ChipSession {
    pub(crate) raw: RawSession,
    pub(crate) token: TokenInfo,
    pub(crate) pin: Option<Pin>,
    /// Handles that were looked up. NXP's stay valid in later sessions, since a handle is the object's id.
    pub(crate) handles: Handles,
    /// A signature failed, so the session is replaced: on NXP's module up to 4.3 it cannot sign any more, with any key.
    pub(crate) spent: bool,
    pub(crate) watchdog: Arc<Watchdog>,
}

impl ChipSession {
    /// Whether the chip answers. The command costs one APDU, and works even in a session that cannot sign any more.
    pub(crate) fn answers(&self) -> bool {
        self.raw.probe(self.token.has_random).inspect(|()| self.watchdog.answered()).is_ok()
    }

    /// Makes one call of the module. If it fails, the chip is probed, since NXP's module returns the same few codes for
    /// everything.
    pub(crate) fn call<T>(
        &self,
        doing: impl FnOnce() -> String,
        call: impl FnOnce(&RawSession) -> Result<T, CallError>,
    ) -> Result<T, Fault> {
        match call(&self.raw) {
            Ok(value) => {
                self.watchdog.answered();
                Ok(value)
            }
            Err(source) if source.is_permanent() => Err(Fault::Ckr { doing: doing(), source }),
            Err(source) => {
                self.unless_silent(source)?;
                Err(Fault::Ckr { doing: doing(), source })
            }
        }
    }

    /// Probes the chip after a failed call.
    fn unless_silent(&self, source: CallError) -> Result<(), Fault> {
        let asked = Instant::now();
        if self.answers() { Ok(()) } else { Err(Fault::Silent { source, took: asked.elapsed() }) }
    }

    /// One signature, as the mechanism gives it.
    pub(crate) fn sign(&mut self, key: &Target, scheme: Scheme, input: &[u8]) -> Result<Vec<u8>, Fault> {
        let handle = self.handle(key)?;
        let (mechanism, parameters) = scheme.mechanism();
        let login = self.login_for_each_signature(handle);
        let doing = || format!("signing with the key {} ({scheme})", key.selector);
        let signature = self.call(doing, |raw| {
            let pin = login.as_ref().map(Pin::as_bytes);
            raw.sign(mechanism, parameters, handle, pin, input)
        });
        signature.map_err(|fault| {
            self.spent = true;
            self.unless_missing(key, fault)
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
        &mut self,
        object: &Target,
        attribute: CK_ATTRIBUTE_TYPE,
        what: &str,
    ) -> Result<Vec<u8>, Fault> {
        let handle = self.handle(object)?;
        let doing = || format!("reading the {what} of {}", object.selector);
        self.call(doing, |raw| raw.attribute(handle, attribute))
            .map_err(|fault| self.unless_missing(object, fault))
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
            Err(source) => self.unless_silent(source).map(|()| false),
        }
    }
}
