//! Does work on the session, and recovers from what fails. Here the errors are made that the user sees.
//!
//! When work fails although the chip answers, the session may be broken: another is opened and the work done once more. When
//! the chip does not answer, `outage.rs` decides what to do, here and between the requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::opening::Opening;
use crate::outage::{Look, MOST_FAILURES, Outage, SignOfLife, Step};
use crate::selector::Target;
use crate::session::{ChipSession, Fault, Handles};
use crate::worker::Watchdog;
use crate::{CallError, Error, Scheme, TokenBuilder, TokenInfo};

/// How long a request waits for an opening that is due soon. Otherwise the caller would only fail and ask again.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a process that begins without its chip takes to say so. Container engines start it again at once, for as long as the
/// chip is away.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// The first pause after which a key that fails on a new session is tried again, doubled up to [`LONGEST_REST`].
const FIRST_REST: Duration = Duration::from_secs(1);
/// The longest such pause.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// What the worker thread has.
pub(crate) struct Recovery {
    // Fields are dropped in this order: the session is closed before the module is finalised.
    session: Option<ChipSession>,
    opening: Opening,
    /// What was looked up, while no session is open.
    handles: Handles,
    /// Set while the chip does not answer.
    outage: Option<Outage>,
    /// Only a new process can open the chip again.
    restart_needed: bool,
    /// Keys that failed on a new session.
    resting: HashMap<String, Rest>,
}

/// A key that is not tried for a while: each try would cost the other keys their session.
struct Rest {
    pause: Duration,
    until: Instant,
    source: CallError,
}

impl Recovery {
    /// Loads the module and opens the first session.
    pub(crate) fn open(options: TokenBuilder, watchdog: Arc<Watchdog>) -> Result<Self, Error> {
        let opening = Opening::prepare(options, watchdog)?;
        let (session, handles, outage, resting) = (None, Handles::new(), None, HashMap::new());
        let mut recovery = Self { session, opening, handles, outage, restart_needed: false, resting };
        recovery.open_first()?;
        Ok(recovery)
    }

    pub(crate) fn token(&self) -> &TokenInfo {
        &self.opening.token
    }

    /// When to look for the chip, where it does not answer.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.outage.as_ref().filter(|_| !self.restart_needed).map(|outage| outage.next_look)
    }

    /// Looks for the chip between two requests, so that the next one finds it ready.
    pub(crate) fn look(&mut self) {
        if let Err(error) = self.look_for_chip() {
            tracing::debug!(%error, "looked for the chip");
        }
        self.release_bus_without_session();
    }

    /// Does the work on the session: where that is broken, once more on a new one.
    pub(crate) fn run<T>(
        &mut self,
        mut work: impl FnMut(&mut ChipSession) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let result = match self.attempt(&mut work) {
            Err(fault) if is_worth_another(&fault) => self.attempt(&mut work).map_err(|again| match again {
                // The request that found out names the call that failed.
                Fault::NoSession(Error::ChipUnreachable { source: None, .. }) => fault,
                again => again,
            }),
            result => result,
        };
        self.release_bus_without_session();
        result.map_err(|fault| self.error(fault))
    }

    /// As [`Recovery::run`], for a signature. A key that also fails on a new session rests for a while.
    pub(crate) fn sign(&mut self, key: &Target, scheme: Scheme, input: &[u8]) -> Result<Vec<u8>, Error> {
        let name = key.selector.as_str();
        if let Some(rest) = self.resting.get(name)
            && let Some(left) = rest.until.checked_duration_since(Instant::now())
        {
            let doing =
                format!("signing with the key {name} (not tried again for {:.1} s)", left.as_secs_f32());
            return Err(Error::Call { doing, advice: advice(&rest.source), source: rest.source });
        }
        let result = self.run(|session| session.sign(key, scheme, input));
        match &result {
            Ok(_) => drop(self.resting.remove(name)),
            Err(Error::Call { source, .. }) if source.is_of_signing() => {
                let last = self.resting.get(name).map(|rest| rest.pause.saturating_mul(2));
                let pause = last.unwrap_or(FIRST_REST).min(LONGEST_REST);
                let rest = Rest { pause, until: Instant::now() + pause, source: *source };
                self.resting.insert(name.to_owned(), rest);
            }
            Err(_) => {}
        }
        result
    }

    /// Works on the session, and closes it where the work broke it.
    fn attempt<T>(
        &mut self,
        work: &mut impl FnMut(&mut ChipSession) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let session = self.usable_session().map_err(Fault::NoSession)?;
        let result = work(session);
        let spent = session.spent;
        match &result {
            Err(Fault::Silent { source, took }) => {
                tracing::warn!(error = %source, token = self.token().label, "the chip does not answer");
                self.begin_outage(*took);
            }
            Err(Fault::Ckr { source, .. }) if source.loses_the_session() => self.close_session(),
            _ if spent => self.close_session(),
            _ => {}
        }
        result
    }

    /// The session, where one is open or can be opened now.
    fn usable_session(&mut self) -> Result<&mut ChipSession, Error> {
        if self.restart_needed {
            return Err(self.needs_restart(None));
        }
        if self.outage.is_some() {
            self.look_for_chip()?;
        } else if self.session.is_none() {
            // It was closed because it was broken; the chip answered.
            self.open_session()?;
        }
        self.session.as_mut().ok_or(Error::WorkerGone { doing: "using the session" })
    }

    /// Ends the outage, or says that it lasts. Waits for a step that is due soon.
    fn look_for_chip(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            let Some(outage) = &mut self.outage else { return Ok(()) };
            if outage.next_look > Instant::now() {
                return Err(self.unreachable(None));
            }
            let bus = self.opening.sign_of_life();
            // The session is not asked where the bus is silent, nor again where it was asked just now.
            let ask = !outage.is_new() && bus != SignOfLife::Silent;
            let session_answers = self.session.as_ref().map(|session| {
                let asked = Instant::now();
                let answers = ask && session.answers();
                if ask && !answers {
                    outage.call_failed(asked.elapsed());
                }
                answers
            });
            let look = Look { session_answers, bus };
            let step = outage.step(look, self.opening.openings().as_ref(), Instant::now());
            tracing::debug!(?look, ?step, "looked for the chip");
            match step {
                Step::Resume if self.session.as_ref().is_some_and(|session| !session.spent) => {
                    self.outage = None;
                    return Ok(());
                }
                // The chip answers: a session that can sign no more is replaced without a risk.
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
                    std::thread::sleep(outage.next_look.saturating_duration_since(Instant::now()));
                }
                Step::WaitUntil(_) => return Err(self.unreachable(None)),
            }
        }
    }

    /// The first session of the process. The bus is looked at before an opening is spent.
    fn open_first(&mut self) -> Result<(), Error> {
        self.opening.take_bus()?;
        let (started, unit) = (Instant::now(), self.opening.options.back_off);
        while let Some(openings) = self.opening.openings() {
            let bus = self.opening.first_sign_of_life();
            match openings.first_step(bus, unit, started, Instant::now()) {
                Step::WaitUntil(end) if end <= started + PATIENCE => {
                    std::thread::sleep(unit.min(end.saturating_duration_since(Instant::now())));
                }
                Step::WaitUntil(_) => return Err(self.unreachable(None)),
                Step::Restart => return Err(self.needs_restart(None)),
                Step::Open | Step::Resume => break,
            }
        }
        let opened = self.open_session();
        if let Err(Error::ChipUnreachable { .. }) = opened {
            std::thread::sleep(unit.saturating_mul(2).min(RESTART_PAUSE));
        }
        opened
    }

    /// A new session, logged in.
    fn open_session(&mut self) -> Result<(), Error> {
        self.opening.take_bus()?;
        self.opening.reconnect().map_err(|source| self.not_opened(source, Duration::ZERO))?;
        self.opening.find_token_again().inspect_err(|_| self.begin_outage(Duration::ZERO))?;
        let begun = Instant::now();
        let raw = self.opening.open().map_err(|source| self.not_opened(source, begun.elapsed()))?;
        let session = self.opening.log_in(raw, &mut self.handles)?;
        if self.outage.take().is_some() {
            tracing::info!(token = session.token.label, "the chip answers again, in a new session");
        }
        self.session = Some(session);
        Ok(())
    }

    /// The chip did not answer when a session was to be opened.
    fn not_opened(&mut self, source: CallError, took: Duration) -> Error {
        self.begin_outage(took);
        self.restart_needed = self.opening.openings().is_some_and(|openings| openings.left() == 0);
        if self.restart_needed { self.needs_restart(Some(source)) } else { self.unreachable(Some(source)) }
    }

    fn close_session(&mut self) {
        if let Some(session) = self.session.take() {
            self.handles = session.handles;
        }
    }

    /// Without a session there is no reason to keep other processes from the chip.
    fn release_bus_without_session(&mut self) {
        if self.session.is_none() {
            self.opening.release_bus();
        }
    }

    /// The chip does not answer, and took that long to show it.
    fn begin_outage(&mut self, took: Duration) {
        let unit = self.opening.options.back_off;
        self.outage.get_or_insert_with(|| Outage::begin(unit, Instant::now(), took)).call_failed(took);
    }

    /// What the user is told.
    fn error(&self, fault: Fault) -> Error {
        let TokenInfo { label, is_se050, .. } = self.token();
        let (token, is_se050) = (label.clone(), *is_se050);
        match fault {
            Fault::Ckr { doing, source } => Error::Call { doing, advice: advice(&source), source },
            Fault::Silent { source, .. } => self.unreachable(Some(source)),
            Fault::NoSuchObject(class, selector) => {
                Error::NotFound { class: class.in_words(), selector: selector.to_string(), token }
            }
            Fault::Ambiguous(class, selector, objects) => {
                let (class, selector) = (class.in_words(), selector.to_string());
                Error::Ambiguous { class, selector, token, objects, is_se050 }
            }
            Fault::NoSession(error) => error,
        }
    }

    fn unreachable(&self, source: Option<CallError>) -> Error {
        let (now, openings) = (Instant::now(), self.opening.openings());
        let failed_before = openings.filter(|openings| openings.left() < MOST_FAILURES);
        let since = self
            .outage
            .as_ref()
            .map(|outage| outage.since)
            .or_else(|| failed_before?.last_failure)
            .unwrap_or(now);
        Error::ChipUnreachable {
            token: self.token().label.clone(),
            silent_for: now.saturating_duration_since(since),
            openings_left: openings.map(|openings| openings.left()),
            source,
        }
    }

    fn needs_restart(&self, source: Option<CallError>) -> Error {
        let failures = self.opening.openings().map_or(0, |openings| openings.failures);
        Error::RestartNeeded { module: self.opening.options.module.clone(), failures, source }
    }
}

/// Whether the same work may succeed on the same session or on a new one: a transfer that failed once may succeed.
fn is_worth_another(fault: &Fault) -> bool {
    match fault {
        Fault::Ckr { source, .. } => !source.is_permanent(),
        Fault::Silent { .. } => true,
        Fault::NoSuchObject(..) | Fault::Ambiguous(..) | Fault::NoSession(_) => false,
    }
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
