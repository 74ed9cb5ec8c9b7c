//! What keeps the session with the chip alive, and what the user is told where it cannot be.
//!
//! Work is done on the session. When it fails although the chip answers, the session may be broken: another is opened and
//! the work done once more. When the chip does not answer, `outage.rs` decides what to do, here and between the requests.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::bus::Bus;
use crate::lock::{BusLock, LockFile, NotLocked};
use crate::login::log_in;
use crate::module::{Module, canonical};
use crate::outage::{Look, Openings, Outage, SignOfLife, Step};
use crate::session::{ChipSession, Fault, Handles};
use crate::token::TokenBuilder;
use crate::watchdog::{Unreachable, Watchdog};
use crate::{CallError, Error, TokenInfo};

/// How long a request waits for a step that is due soon: an opening of the session 1.5 s after the chip was lost. The caller
/// would only fail and ask again.
const PATIENCE: Duration = Duration::from_secs(3);
/// The first pause after which a key that fails on a new session is tried again, doubled up to [`LONGEST_REST`].
const FIRST_REST: Duration = Duration::from_secs(1);
/// The longest such pause.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// By module, for the whole process: a second [`Token`](crate::Token) has no budget of its own.
static OPENINGS: LazyLock<Mutex<HashMap<PathBuf, Openings>>> = LazyLock::new(Mutex::default);

/// What the worker thread has.
pub(crate) struct Recovery {
    // In the order in which they go: the session is closed before the module is finalised, and the bus is let go last.
    session: Option<ChipSession>,
    module: Module,
    lock: Option<BusLock>,
    token: TokenInfo,
    options: TokenBuilder,
    pub(crate) bus: Bus,
    pub(crate) lock_file: Option<LockFile>,
    /// What was looked up, while no session is open.
    handles: Handles,
    /// How many sessions were opened.
    pub(crate) sessions_opened: u64,
    /// The chip does not answer.
    outage: Option<Outage>,
    /// Only a new process can open the chip again.
    restart_needed: bool,
    /// The chip was seen to acknowledge its address when nothing but the address is sent. Only then silence means that it
    /// does not: it was never tried with a real SE050.
    silence_counts: bool,
    /// Keys that failed on a session that had just been opened.
    resting: HashMap<String, Rest>,
    watchdog: Arc<Watchdog>,
}

/// A key that is not tried for a while: each try would cost the others their session.
struct Rest {
    pause: Duration,
    until: Instant,
    source: CallError,
}

impl Recovery {
    pub(crate) fn open(options: TokenBuilder, watchdog: Arc<Watchdog>) -> Result<Self, Error> {
        let module = Module::load(&options.module)?;
        let token = module.single_token(&options.wanted)?;
        // A module in another process has the bus and its lock there.
        let is_here = token.is_se050 && !module.is_remote();
        let bus = if is_here { Bus::of_module(&token.manufacturer) } else { Bus::Unknown };
        let lock_file = is_here.then(|| LockFile::of(options.lock_file.as_deref(), &bus, &options.module));
        let mut recovery = Self {
            session: None,
            module,
            lock: None,
            token,
            options,
            bus,
            lock_file,
            handles: HashMap::new(),
            sessions_opened: 0,
            outage: None,
            restart_needed: false,
            silence_counts: false,
            resting: HashMap::new(),
            watchdog,
        };
        recovery.open_first()?;
        Ok(recovery)
    }

    pub(crate) fn token(&self) -> &TokenInfo {
        &self.token
    }

    /// Whether this process has the lock of the bus.
    pub(crate) fn holds_the_lock(&self) -> bool {
        self.lock.is_some()
    }

    /// The failed openings of this process, where they are limited.
    pub(crate) fn openings(&self) -> Option<Openings> {
        (self.token.leaks_sessions() && !self.module.is_remote()).then(|| self.counted())
    }

    /// What others than this thread are told of an outage.
    pub(crate) fn unreachable_state(&self) -> Option<Unreachable> {
        let since = self.outage.as_ref().map(Outage::since);
        let since = since.or_else(|| self.restart_needed.then(Instant::now))?;
        let openings_left = self.openings().map(|openings| openings.left());
        Some(Unreachable { since, openings_left, restart_needed: self.restart_needed })
    }

    /// When to look for the chip, where it does not answer.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.outage.as_ref().filter(|_| !self.restart_needed).map(Outage::next_look)
    }

    /// Looks for the chip between two requests, so that the next one finds it ready.
    pub(crate) fn look(&mut self) {
        if let Err(error) = self.look_for_the_chip() {
            tracing::debug!(%error, "looked for the chip");
        }
        self.let_go_without_session();
    }

    /// Does the work on the session: where that is broken, once more on a new one.
    pub(crate) fn run<T>(
        &mut self,
        mut work: impl FnMut(&mut ChipSession) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let result = self.attempt(&mut work).and_then(|result| match result {
            Ok(done) => Ok(done),
            Err(fault) if self.is_worth_another(&fault) => match self.attempt(&mut work) {
                Ok(result) => result.map_err(|fault| self.error(fault)),
                // The request that found out names the call that failed.
                Err(Error::ChipUnreachable { source: None, .. }) => Err(self.error(fault)),
                Err(error) => Err(error),
            },
            Err(fault) => Err(self.error(fault)),
        });
        self.let_go_without_session();
        result
    }

    /// As [`Recovery::run`], for a signature. A key that fails on a new session, too, rests for a while.
    pub(crate) fn sign(
        &mut self,
        key: &str,
        work: impl FnMut(&mut ChipSession) -> Result<Vec<u8>, Fault>,
    ) -> Result<Vec<u8>, Error> {
        if let Some(rest) = self.resting.get(key)
            && let Some(left) = rest.until.checked_duration_since(Instant::now())
        {
            return Err(Error::Call {
                doing: format!(
                    "signing with the key {key} (not tried again for {:.1} s)",
                    left.as_secs_f32()
                ),
                advice: advice(&rest.source),
                source: rest.source,
            });
        }
        let result = self.run(work);
        match &result {
            Ok(_) => drop(self.resting.remove(key)),
            Err(Error::Call { source, .. }) if source.is_of_signing() => {
                let last = self.resting.get(key).map(|rest| rest.pause.saturating_mul(2));
                let pause = last.unwrap_or(FIRST_REST).min(LONGEST_REST);
                let rest = Rest { pause, until: Instant::now() + pause, source: *source };
                self.resting.insert(key.to_owned(), rest);
            }
            Err(_) => {}
        }
        result
    }

    /// Works on the session, and takes care of it where the work failed. The outer error is that there is no session.
    fn attempt<T>(
        &mut self,
        work: &mut impl FnMut(&mut ChipSession) -> Result<T, Fault>,
    ) -> Result<Result<T, Fault>, Error> {
        let result = work(self.usable_session()?);
        let spent = self.session.as_ref().is_some_and(|session| session.spent);
        match &result {
            Err(Fault::Silent { source, took }) => {
                tracing::warn!(error = %source, token = self.token.label, "the chip does not answer");
                self.outage = Some(Outage::begin(self.options.back_off, Instant::now(), *took));
            }
            Err(Fault::Ckr { source, .. }) if source.loses_the_session() => self.close_session(),
            _ if spent => self.close_session(),
            _ => {}
        }
        Ok(result)
    }

    fn is_worth_another(&self, fault: &Fault) -> bool {
        match fault {
            // A transfer that failed once may succeed.
            Fault::Ckr { source, .. } => !source.is_permanent(),
            Fault::Silent { .. } => true,
            Fault::NoSuchObject { .. } | Fault::Wrong(_) => false,
        }
    }

    /// The session, where one is open or can be opened now.
    fn usable_session(&mut self) -> Result<&mut ChipSession, Error> {
        if self.restart_needed {
            return Err(self.needs_restart(None));
        }
        if self.outage.is_some() {
            self.look_for_the_chip()?;
        } else if self.session.is_none() {
            // It was closed because it was broken; the chip answered.
            self.open_session()?;
        }
        self.session.as_mut().ok_or(Error::WorkerGone { doing: "using the session" })
    }

    /// Ends the outage, or says that it lasts. Waits for a step that is due soon.
    fn look_for_the_chip(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            let Some(outage) = &self.outage else { return Ok(()) };
            if outage.next_look() > Instant::now() {
                return Err(self.unreachable(None));
            }
            let is_new = outage.is_new();
            let bus = self.sign_of_life();
            // A chip that does not acknowledge its address does not answer either, and what was just asked is not asked again.
            let session_answers = self.session.as_ref().map(|session| {
                let asked = Instant::now();
                let answers = !is_new && bus != SignOfLife::Silent && session.answers();
                if let Some(outage) = self.outage.as_mut().filter(|_| !is_new && !answers) {
                    outage.call_failed(asked.elapsed());
                }
                answers
            });
            let look = Look { session_answers, bus };
            let budget = self.openings();
            let Some(outage) = &mut self.outage else { return Ok(()) };
            let step = outage.step(look, budget.as_ref(), Instant::now());
            tracing::debug!(?look, ?step, "looked for the chip");
            match step {
                Step::Resume if !self.session.as_ref().is_some_and(|session| session.spent) => {
                    self.outage = None;
                    return Ok(());
                }
                // The chip answers, so a session that can sign no more is replaced without a risk.
                Step::Resume | Step::Open => {
                    self.close_session();
                    return self.open_session();
                }
                Step::Restart => {
                    self.close_session();
                    self.restart_needed = true;
                    return Err(self.needs_restart(None));
                }
                Step::WaitUntil(end) if end <= begun + PATIENCE => {
                    outage.look_by(end);
                    std::thread::sleep(outage.next_look().saturating_duration_since(Instant::now()));
                }
                Step::WaitUntil(_) => return Err(self.unreachable(None)),
            }
        }
    }

    /// What the bus shows, as far as it can be believed.
    fn sign_of_life(&mut self) -> SignOfLife {
        let sign = self.bus.sign_of_life();
        self.silence_counts |= sign == SignOfLife::Acknowledged;
        if sign == SignOfLife::Silent && !self.silence_counts { SignOfLife::Unknown } else { sign }
    }

    /// The first session of the process.
    fn open_first(&mut self) -> Result<(), Error> {
        self.lock_bus()?;
        self.bus.check_node()?;
        let started = Instant::now();
        while let Some(openings) = self.openings() {
            let bus = self.bus.sign_of_life();
            self.silence_counts |= bus == SignOfLife::Acknowledged;
            match openings.first_step(bus, self.options.back_off, started, Instant::now()) {
                Step::WaitUntil(end) if end <= started + PATIENCE => {
                    std::thread::sleep(
                        self.options.back_off.min(end.saturating_duration_since(Instant::now())),
                    );
                }
                Step::WaitUntil(_) => return Err(self.unreachable(None)),
                Step::Restart => return Err(self.needs_restart(None)),
                Step::Open | Step::Resume => break,
            }
        }
        self.open_session()
    }

    fn open_session(&mut self) -> Result<(), Error> {
        self.lock_bus()?;
        self.bus.check_node()?;
        // The token's flags tell what became of wrong PINs meanwhile.
        if self.sessions_opened > 0 && (self.module.is_remote() || self.token.login_required) {
            self.find_token_again()?;
        }
        let begun = Instant::now();
        // Nothing is closed on failure: the handle that a failed opening leaves is none.
        let opened = self.module.open_session(&self.token);
        let raw = opened.map_err(|source| self.opening_failed(source, begun.elapsed()))?;
        self.watchdog.answered();
        log_in(&raw, &self.token, self.options.pin.as_ref())?;
        self.sessions_opened += 1;
        self.outage = None;
        let handles = if self.token.is_se050 { std::mem::take(&mut self.handles) } else { HashMap::new() };
        let (token, pin) = (self.token.clone(), self.options.pin.clone());
        self.session = Some(ChipSession::new(raw, token, pin, handles, Arc::clone(&self.watchdog)));
        Ok(())
    }

    fn find_token_again(&mut self) -> Result<(), Error> {
        if self.module.is_remote()
            && let Err(source) = self.module.reconnect()
        {
            return Err(self.opening_failed(source, Duration::ZERO));
        }
        match self.module.single_token(&self.options.wanted) {
            Ok(token) => {
                self.token = token;
                Ok(())
            }
            Err(error) => {
                self.outage.get_or_insert_with(|| {
                    Outage::begin(self.options.back_off, Instant::now(), Duration::ZERO)
                });
                Err(error)
            }
        }
    }

    fn opening_failed(&mut self, source: CallError, took: Duration) -> Error {
        if self.openings().is_some() {
            let mut openings = counted();
            let openings = openings.entry(canonical(&self.options.module)).or_default();
            openings.note_failure(Instant::now());
            if source.says_no_session_is_left() {
                openings.note_exhaustion();
            }
        }
        let begin = || Outage::begin(self.options.back_off, Instant::now(), took);
        self.outage.get_or_insert_with(begin).call_failed(took);
        self.restart_needed = self.openings().is_some_and(|openings| openings.left() == 0);
        if self.restart_needed { self.needs_restart(Some(source)) } else { self.unreachable(Some(source)) }
    }

    fn close_session(&mut self) {
        if let Some(session) = self.session.take() {
            self.handles = session.handles;
        }
    }

    fn lock_bus(&mut self) -> Result<(), Error> {
        if let (None, Some(file)) = (&self.lock, &self.lock_file) {
            self.lock = Some(file.take().map_err(|not_locked| match not_locked {
                NotLocked::Held(holder) => Error::Busy { lock: file.path.clone(), holder },
                NotLocked::Unusable(source) => Error::LockFile { path: file.path.clone(), source },
            })?);
        }
        Ok(())
    }

    /// Without a session there is no reason to keep others from the chip.
    fn let_go_without_session(&mut self) {
        if self.session.is_none() {
            self.lock = None;
        }
    }

    fn counted(&self) -> Openings {
        counted().get(&canonical(&self.options.module)).copied().unwrap_or_default()
    }

    /// What the user is told.
    fn error(&self, fault: Fault) -> Error {
        match fault {
            Fault::Ckr { doing, source } => Error::Call { doing, advice: advice(&source), source },
            Fault::Silent { source, .. } => self.unreachable(Some(source)),
            Fault::NoSuchObject { class, selector } => {
                Error::NotFound { class: class.name(), selector, token: self.token.label.clone() }
            }
            Fault::Wrong(error) => error,
        }
    }

    fn unreachable(&self, source: Option<CallError>) -> Error {
        let now = Instant::now();
        let openings = self.openings();
        let last = openings.filter(|openings| openings.left() < crate::outage::MOST_FAILURES);
        let since = self.outage.as_ref().map(Outage::since).or_else(|| last?.last_failure).unwrap_or(now);
        Error::ChipUnreachable {
            token: self.token.label.clone(),
            silent_for: now.saturating_duration_since(since),
            openings_left: openings.map(|openings| openings.left()),
            source,
        }
    }

    fn needs_restart(&self, source: Option<CallError>) -> Error {
        let failures = self.openings().map_or(0, |openings| openings.failures);
        Error::RestartNeeded { module: self.options.module.clone(), failures, source }
    }
}

fn counted() -> MutexGuard<'static, HashMap<PathBuf, Openings>> {
    OPENINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What to try next after a failed call.
fn advice(source: &CallError) -> &'static str {
    match (source.is_of_signing(), source.is_permanent()) {
        (true, true) => "the key may not, or cannot, sign in this way: check what it was made for",
        (true, false) => {
            "a new session did not help, or is not tried again so soon: check that the key may sign, and that nothing else uses \
             the chip"
        }
        (false, _) => {
            "check that the object is of the right kind (NXP's module cannot read a certificate over 2048 bytes), and that nothing \
             else uses the chip"
        }
    }
}
