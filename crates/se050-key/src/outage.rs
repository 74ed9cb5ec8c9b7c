//! Decides what to do about a chip that does not answer. There is no I/O and no clock here.
//!
//! On NXP's module 4.x, each C_OpenSession that fails leaks one of three sessions until the process ends. After the third, it
//! returns CKR_DEVICE_MEMORY for ever, even when the chip is back. So sessions are not opened again and again. The old session
//! is kept and probed. It is replaced when opening a new one will probably succeed, or when nothing else is left to try. Every
//! state has an end: the chip answers, or [`Step::Restart`].
//!
//! All times are multiples of one unit, [`TokenBuilder::back_off`](crate::TokenBuilder::back_off), 0.5 s by default.

use std::time::{Duration, Instant};

/// One of the module's three sessions is kept for the opening that succeeds.
pub(crate) const MOST_FAILURES: u32 = 2;

/// The longest pause between two looks, in units: 2 s.
const LONGEST_PAUSE: u32 = 4;
/// A call that took longer to fail means that the chip acknowledges its address and does not answer: NXP's modules wait 3.5 s
/// or 145 s for the answer. If nothing acknowledges, they fail within 0.3 s.
const SLOW: u32 = 4;
/// How long a process that begins waits for a chip that is silent: 1.5 s. An SE050 starts within 0.1 s.
const START: u32 = 3;
/// How long after the loss of the chip a session is opened without a sign of it: 4 s. A chip that is away for up to 4 s is so
/// found within 4 s of its return.
const BLIND: u32 = 8;
/// The same for a chip that acknowledges and does not answer: 20 s. If it recovers before, the old session answers again.
const MUTE: u32 = 40;
/// The same for a chip that acknowledged its address before, and now does not: 60 s. An opening will probably fail.
const SILENT: u32 = 120;
/// How long after a failed opening the last one follows: 30 s. Until then the application can save what it has.
const LAST: u32 = 60;
/// The same for a chip that does not acknowledge its address: 10 min.
const LAST_SILENT: u32 = 1200;

/// What can be seen of the chip from outside the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignOfLife {
    /// Something acknowledges the chip's address.
    Acknowledged,
    /// Nothing does, and something did when the session was opened.
    Silent,
    /// The bus cannot be checked, or not in this way.
    Unknown,
    /// The bus is not there, so no session can be opened.
    NoBus,
}

/// What is known of a chip that did not answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Whether the old session answers; `None` when there is none any more.
    pub(crate) session_answers: Option<bool>,
    pub(crate) bus: SignOfLife,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The old session answers: go on with it.
    Resume,
    /// Close the old session and open another.
    Open,
    /// Do nothing until then, but look again at [`Outage::next_look`].
    WaitUntil(Instant),
    /// No session can be opened any more in this process.
    Restart,
}

/// The openings that failed in this process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Openings {
    pub(crate) failures: u32,
    pub(crate) last_failure: Option<Instant>,
}

/// The chip does not answer.
#[derive(Debug, Clone)]
pub(crate) struct Outage {
    unit: Duration,
    pub(crate) since: Instant,
    /// The last call took long to fail.
    mute: bool,
    /// When the bus was silent last.
    silent: Option<Instant>,
    /// When the bus was not there last.
    no_bus: Option<Instant>,
    /// The last opening was made although the bus was silent.
    opened_silent: bool,
    looks: u32,
    pub(crate) next_look: Instant,
}

impl Openings {
    pub(crate) fn left(&self) -> u32 {
        MOST_FAILURES.saturating_sub(self.failures)
    }

    pub(crate) fn note_failure(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(now);
    }

    /// The module says itself that it has no session left.
    pub(crate) fn note_exhaustion(&mut self) {
        self.failures = self.failures.max(MOST_FAILURES);
    }

    /// When the next opening may fail.
    fn next(&self, bus: SignOfLife, unit: Duration) -> Option<Instant> {
        let pause = if bus == SignOfLife::Silent { LAST_SILENT } else { LAST };
        self.last_failure.map(|last| after(last, unit, pause))
    }

    /// The step at which a process begins. A chip that shows no sign of life yet is given the time to start.
    pub(crate) fn first_step(&self, bus: SignOfLife, unit: Duration, started: Instant, now: Instant) -> Step {
        let start = match bus {
            SignOfLife::Silent => after(started, unit, START),
            // Not before it is there.
            SignOfLife::NoBus => after(now, unit, START),
            SignOfLife::Acknowledged | SignOfLife::Unknown => started,
        };
        let earliest = self.next(SignOfLife::Unknown, unit).map_or(start, |last| last.max(start));
        match self.left() {
            0 => Step::Restart,
            _ if earliest <= now => Step::Open,
            _ => Step::WaitUntil(earliest),
        }
    }
}

impl Outage {
    /// The chip did not answer; the call that found out took that long.
    pub(crate) fn begin(unit: Duration, now: Instant, took: Duration) -> Self {
        let mut outage = Self {
            unit,
            since: now,
            mute: false,
            silent: None,
            no_bus: None,
            opened_silent: false,
            looks: 0,
            next_look: now,
        };
        outage.call_failed(took);
        outage
    }

    /// Whether nothing was looked at yet: the call that found out was the probe of the session.
    pub(crate) fn is_new(&self) -> bool {
        self.looks == 0
    }

    /// A call of the module failed after that time.
    pub(crate) fn call_failed(&mut self, took: Duration) {
        self.mute = took >= self.unit.saturating_mul(SLOW);
    }

    /// What to do, after a look. `budget` is `None` where a failed opening costs nothing.
    pub(crate) fn step(&mut self, look: Look, budget: Option<&Openings>, now: Instant) -> Step {
        let pause = self.unit.saturating_mul((1 << self.looks.min(2)).min(LONGEST_PAUSE));
        self.looks = self.looks.saturating_add(1);
        self.next_look = now.checked_add(pause).unwrap_or(now);
        if look.session_answers == Some(true) {
            return Step::Resume;
        }
        match look.bus {
            SignOfLife::Silent => self.silent = Some(now),
            SignOfLife::NoBus => self.no_bus = Some(now),
            SignOfLife::Acknowledged | SignOfLife::Unknown => {}
        }
        // A chip that has lost its power is not mute any more when it is back.
        self.mute &= !matches!(look.bus, SignOfLife::Silent | SignOfLife::NoBus);
        let wait = match look.bus {
            SignOfLife::NoBus => return self.until_restart(now, LAST_SILENT),
            SignOfLife::Silent => SILENT,
            _ if self.mute => MUTE,
            SignOfLife::Acknowledged => 0,
            SignOfLife::Unknown => BLIND,
        };
        let Some(budget) = budget else { return Step::Open };
        match (budget.left(), look.session_answers) {
            (0, None) => return Step::Restart,
            (0, Some(_)) => return self.until_restart(now, LAST),
            _ => {}
        }
        let earliest = after(self.since, self.unit, wait);
        // Openings that failed before the chip came back do not count.
        let came_back = match look.bus {
            SignOfLife::Acknowledged => {
                self.opened_silent || self.silent.max(self.no_bus) > budget.last_failure
            }
            _ => self.no_bus > budget.last_failure,
        };
        let last = budget.next(look.bus, self.unit).filter(|_| !came_back);
        let earliest = last.map_or(earliest, |last| last.max(earliest));
        if earliest > now {
            self.next_look = self.next_look.min(earliest);
            return Step::WaitUntil(earliest);
        }
        self.opened_silent = look.bus == SignOfLife::Silent;
        Step::Open
    }

    /// Waits that long for the old session or the bus to come back, then asks for a restart.
    fn until_restart(&self, now: Instant, units: u32) -> Step {
        let end = after(self.since, self.unit, units);
        if end <= now { Step::Restart } else { Step::WaitUntil(end) }
    }
}

/// `moment` plus that many units, at most 100 years.
fn after(moment: Instant, unit: Duration, units: u32) -> Instant {
    let far = Duration::from_secs(100 * 365 * 86_400);
    moment.checked_add(unit.saturating_mul(units).min(far)).unwrap_or(moment)
}

#[cfg(test)]
mod tests;
