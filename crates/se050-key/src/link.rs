//! The link to the chip: the one session, and what keeps it alive.
//!
//! Work is done on the session. When it fails in a way that may be the chip's or the session's fault, the chip is
//! probed; a session that broke is replaced and the work done once more; a chip that is away is left in peace.

mod opening;

use std::sync::Arc;
use std::time::Duration;

use cryptoki::slot::Slot;

use crate::budget::OpenBudget;
use crate::bus::Bus;
use crate::lock::{BusLock, LockFile};
use crate::lookup::ByteOrder;
use crate::module::Module;
use crate::outage::{BackOff, Look, Verdict};
use crate::pulse::Pulse;
use crate::session::Session;
use crate::token::{SessionPolicy, TokenBuilder};
use crate::{Error, TokenInfo};

/// The shortest pause between two new sessions that did not help.
const CURE: Duration = Duration::from_secs(1);

/// What the owner thread has.
pub(crate) struct Link {
    // In the order in which they go: the session is closed before the module is finalised, and the bus is let go last.
    session: Option<Session>,
    pub(crate) module: Module,
    lock: Option<BusLock>,
    pub(crate) slot: Slot,
    token: TokenInfo,
    options: TokenBuilder,
    pub(crate) bus: Bus,
    pub(crate) lock_file: Option<LockFile>,
    pub(crate) budget: OpenBudget,
    /// How many sessions were opened: handles hold for one of them.
    pub(crate) generation: u64,
    byte_order: Option<ByteOrder>,
    /// The chip does not answer, and is looked for at these times.
    outage: Option<BackOff>,
    /// New sessions in a row that did not help.
    cure: BackOff,
    pulse: Arc<Pulse>,
}

impl Link {
    pub(crate) fn open(options: TokenBuilder, pulse: Arc<Pulse>) -> Result<Self, Error> {
        let module = Module::load(&options.module)?;
        let (slot, token) = module.single_token(&options.wanted)?;
        let bus = if token.is_se050 { Bus::of_module(&token.manufacturer) } else { Bus::Unknown };
        // Only the chip is harmed by company.
        let lock_file =
            token.is_se050.then(|| LockFile::of(options.lock_file.as_deref(), &bus, &options.module));
        let budget = OpenBudget::new(&options.module, token.is_se050);
        let mut link = Self {
            session: None,
            module,
            lock: None,
            slot,
            token,
            options,
            bus,
            lock_file,
            budget,
            generation: 0,
            byte_order: None,
            outage: None,
            cure: BackOff::new(CURE),
            pulse,
        };
        link.open_session()?;
        Ok(link)
    }

    pub(crate) fn token(&self) -> &TokenInfo {
        &self.token
    }

    pub(crate) fn slot_id(&self) -> u64 {
        self.slot.id()
    }

    /// After how long without a request the chip is let go.
    pub(crate) fn release_after(&self) -> Option<Duration> {
        match self.options.session_policy {
            SessionPolicy::Hold => None,
            // In an outage the session is kept: it is what the chip may answer on.
            SessionPolicy::ReleaseAfterIdle(idle) => {
                self.session.as_ref().filter(|_| self.outage.is_none()).map(|_| idle)
            }
        }
    }

    /// Lets others use the chip until the next request.
    pub(crate) fn release(&mut self) {
        self.close_session();
        self.lock = None;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.session.is_some()
    }

    pub(crate) fn is_away(&self) -> bool {
        self.outage.is_some()
    }

    pub(crate) fn holds_the_lock(&self) -> bool {
        self.lock.is_some()
    }

    pub(crate) fn byte_order(&self) -> Option<ByteOrder> {
        self.session.as_ref().map_or(self.byte_order, |session| session.byte_order)
    }

    /// Does the work on the session: where that is broken, once more on a new one.
    pub(crate) fn run<T>(&mut self, work: impl Fn(&mut Session) -> Result<T, Error>) -> Result<T, Error> {
        let error = match work(self.usable_session()?) {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        self.recover(error)?;
        work(self.usable_session()?).map_err(|error| self.away_if_silent(error))
    }

    /// As [`Link::run`], for the work that a session breaks at: when it is done, the next cure need not wait.
    pub(crate) fn sign(
        &mut self,
        work: impl Fn(&mut Session) -> Result<Vec<u8>, Error>,
    ) -> Result<Vec<u8>, Error> {
        let signature = self.run(work)?;
        self.cure = BackOff::new(CURE);
        Ok(signature)
    }

    /// The session, where one is open or can be opened now.
    fn usable_session(&mut self) -> Result<&mut Session, Error> {
        if self.outage.is_some() {
            self.look_for_the_chip(None)?;
        } else if self.session.is_none() {
            self.open_session()?;
        }
        self.session.as_mut().ok_or(Error::OwnerGone { doing: "using the session" })
    }

    /// The work failed. `Ok` when there is a session to try again on.
    fn recover(&mut self, error: Error) -> Result<(), Error> {
        let error = self.away_if_silent(error);
        if matches!(error, Error::ChipAway { .. }) {
            // A chip that lost power acknowledges its address at once: then nobody needs to wait.
            return match self.look_for_the_chip(Some(false)) {
                Err(Error::ChipAway { .. }) => Err(error),
                other => other,
            };
        }
        if !error.is_cured_by_a_new_session() || self.cure.pause().is_some() {
            return Err(error);
        }
        tracing::info!(%error, "the chip answers, its session is broken: opening another");
        self.cure.failed();
        self.reopen()
    }

    /// Asks the chip for a sign of life where the error may mean that it gives none: then the outage begins.
    fn away_if_silent(&mut self, error: Error) -> Error {
        if !error.may_be_an_outage() || self.session.as_ref().is_some_and(Session::answers) {
            return error;
        }
        tracing::warn!(%error, "the chip does not answer");
        self.outage = Some(BackOff::new(self.options.back_off));
        self.away(error.into_call())
    }

    /// Ends the outage, or says that it lasts.
    fn look_for_the_chip(&mut self, just_probed: Option<bool>) -> Result<(), Error> {
        let Some(outage) = self.outage.as_ref() else { return Ok(()) };
        if outage.pause().is_some() {
            return Err(self.away(None));
        }
        let look = Look {
            old_session_answers: just_probed.or_else(|| self.session.as_ref().map(Session::answers)),
            bus: self.bus.sign_of_life(),
            looks: outage.failures(),
            budget_spent: self.budget.is_spent(),
        };
        let verdict = look.verdict();
        tracing::debug!(?look, ?verdict, "looked for the chip");
        match verdict {
            Verdict::GoOn => {
                self.outage = None;
                Ok(())
            }
            Verdict::Restart => Err(self.restart_needed(None)),
            Verdict::Wait => {
                self.outage.iter_mut().for_each(BackOff::failed);
                Err(self.away(None))
            }
            Verdict::Reopen => self.reopen(),
        }
    }
}
