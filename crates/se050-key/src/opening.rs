//! Opening a session with the token: the module, the bus and its lock, and the openings that may still fail.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::bus::Bus;
use crate::lock::{ChipLock, LockFile};
use crate::module::{Module, canonical};
use crate::outage::{Openings, SignOfLife};
use crate::pin::log_in;
use crate::raw::RawSession;
use crate::session::{ChipSession, Handles};
use crate::worker::Watchdog;
use crate::{CallError, Error, TokenBuilder, TokenInfo};

/// By module, for the whole process: a second [`Token`](crate::Token) has no budget of its own.
static OPENINGS: LazyLock<Mutex<HashMap<PathBuf, Openings>>> = LazyLock::new(Mutex::default);

/// Opens sessions with the token.
pub(crate) struct Opening {
    // Fields are dropped in this order: the module is finalised before the bus is unlocked.
    module: Module,
    lock: Option<ChipLock>,
    pub(crate) token: TokenInfo,
    pub(crate) options: TokenBuilder,
    bus: Bus,
    lock_file: Option<LockFile>,
    opened_before: bool,
    /// The chip was seen to acknowledge its bare address. Only then silence means that the chip is absent: what a real SE050
    /// answers to an address without data was never seen.
    silence_counts: bool,
    watchdog: Arc<Watchdog>,
}

impl Opening {
    /// Loads the module and selects the token. No traffic with the chip.
    pub(crate) fn prepare(options: TokenBuilder, watchdog: Arc<Watchdog>) -> Result<Self, Error> {
        let module = Module::load(&options.module)?;
        let token = module.single_token(&options.wanted)?;
        let (bus, lock_file) = bus_and_lock(&module, &token, &options);
        let (lock, opened_before, silence_counts) = (None, false, false);
        Ok(Self { module, lock, token, options, bus, lock_file, opened_before, silence_counts, watchdog })
    }

    /// Locks the bus, and looks whether its device node is there.
    pub(crate) fn take_bus(&mut self) -> Result<(), Error> {
        if let (None, Some(file)) = (&self.lock, &self.lock_file) {
            self.lock = Some(file.take()?);
        }
        self.bus.check_node().map_err(|(node, source)| Error::BusMissing { node, source })
    }

    /// Lets other processes use the bus.
    pub(crate) fn release_bus(&mut self) {
        self.lock = None;
    }

    /// Connects again to the process that has the module, where that is another one and an opening came before. After that process
    /// has ended, p11-kit's client returns CKR_DEVICE_ERROR to every call.
    pub(crate) fn reconnect(&self) -> Result<(), CallError> {
        if self.opened_before && self.module.is_remote() { self.module.raw.reinitialize() } else { Ok(()) }
    }

    /// The token's flags tell how many tries of the PIN are left now, and its slot may be another behind a new connection.
    pub(crate) fn find_token_again(&mut self) -> Result<(), Error> {
        if self.opened_before && (self.module.is_remote() || self.token.login_required) {
            self.token = self.module.single_token(&self.options.wanted)?;
        }
        Ok(())
    }

    /// C_OpenSession. A failure is counted where it costs something.
    pub(crate) fn open(&mut self) -> Result<RawSession, CallError> {
        let raw = self.module.raw.open_session(self.token.slot_id);
        let raw = raw.inspect_err(|source| self.note_failure(source))?;
        self.watchdog.answered();
        self.opened_before = true;
        Ok(raw)
    }

    /// Logs in, where the token asks for that. `handles` are kept where they outlive a session.
    pub(crate) fn log_in(&self, raw: RawSession, handles: &mut Handles) -> Result<ChipSession, Error> {
        let (token, pin) = (self.token.clone(), self.options.pin.clone());
        log_in(&raw, &token, pin.as_ref())?;
        let handles = if token.is_se050 { std::mem::take(handles) } else { Handles::new() };
        let watchdog = Arc::clone(&self.watchdog);
        Ok(ChipSession { raw, token, pin, handles, spent: false, watchdog })
    }

    /// The failed openings of this process, where they are limited.
    pub(crate) fn openings(&self) -> Option<Openings> {
        let limited = self.token.leaks_sessions() && !self.module.is_remote();
        limited.then(|| counted().get(&canonical(&self.options.module)).copied().unwrap_or_default())
    }

    /// What the bus shows of the chip, as far as it can be believed.
    pub(crate) fn sign_of_life(&mut self) -> SignOfLife {
        let sign = self.first_sign_of_life();
        if sign == SignOfLife::Silent && !self.silence_counts { SignOfLife::Unknown } else { sign }
    }

    /// The same before the first session, where silence may also mean that the chip is still starting.
    pub(crate) fn first_sign_of_life(&mut self) -> SignOfLife {
        let sign = self.bus.sign_of_life();
        self.silence_counts |= sign == SignOfLife::Acknowledged;
        sign
    }

    fn note_failure(&self, source: &CallError) {
        if self.openings().is_some() {
            let mut openings = counted();
            let openings = openings.entry(canonical(&self.options.module)).or_default();
            openings.note_failure(Instant::now());
            if source.says_no_session_is_left() {
                openings.note_exhaustion();
            }
        }
        let openings_left = self.openings().map(|openings| openings.left());
        tracing::warn!(error = %source, token = self.token.label, ?openings_left, "no session could be opened");
    }
}

/// Where the chip is, and the lock that goes with it. Another token has no bus, and a module in another process has the bus there.
pub(crate) fn bus_and_lock(
    module: &Module,
    token: &TokenInfo,
    options: &TokenBuilder,
) -> (Bus, Option<LockFile>) {
    if !token.is_se050 || module.is_remote() {
        return (Bus::Unknown, None);
    }
    let bus = Bus::of_module(&token.manufacturer);
    let lock_file = LockFile::of(options.lock_file.as_deref(), &bus, &options.module);
    (bus, Some(lock_file))
}

fn counted() -> MutexGuard<'static, HashMap<PathBuf, Openings>> {
    OPENINGS.lock().unwrap_or_else(PoisonError::into_inner)
}
