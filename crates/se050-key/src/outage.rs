//! What to do about a chip that does not answer: decided here, without a chip, so that every case can be tested.
//!
//! A failed C_OpenSession costs one of two that a process has (see `budget.rs`), so an outage must not be waited out
//! by opening. The old session is kept and probed instead; it is given up for a new one only with reason to
//! believe that the new one will open.

use std::time::{Duration, Instant};

use crate::bus::SignOfLife;

/// The longest pause between two looks at a chip that is away.
const LONGEST: Duration = Duration::from_secs(30);

/// After how many looks a session is opened without any sign, where the bus cannot be looked at: with the default pauses
/// (0.5 s, doubled) some 15 s after the first failure, and again when as many have passed.
const BLIND_AFTER: u32 = 5;

/// Pauses that grow.
#[derive(Debug, Clone)]
pub(crate) struct BackOff {
    first: Duration,
    failures: u32,
    until: Option<Instant>,
}

/// What to do with the old session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It answers: go on with it.
    GoOn,
    /// Close it and open another.
    Reopen,
    /// Keep it, and look again after a pause.
    Wait,
    /// No opening may fail any more: only a new process helps.
    Restart,
}

/// What is known at one look at a chip that was away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// C_GenerateRandom on the old session: `None` when there is none any more.
    pub(crate) old_session_answers: Option<bool>,
    /// What the bus shows.
    pub(crate) bus: SignOfLife,
    /// How many looks were in vain before.
    pub(crate) looks: u32,
    /// No opening may fail any more.
    pub(crate) budget_spent: bool,
}

impl Look {
    pub(crate) fn verdict(self) -> Verdict {
        if self.old_session_answers == Some(true) {
            return Verdict::GoOn;
        }
        // A chip that lost power never answers the old session again, but acknowledges its address.
        let reason_to_believe = match self.bus {
            SignOfLife::Acknowledged => true,
            SignOfLife::Silent => false,
            SignOfLife::Unknown => self.looks > 0 && self.looks.is_multiple_of(BLIND_AFTER),
        };
        match (self.budget_spent, self.old_session_answers) {
            // Without session and budget nothing is left to wait for.
            (true, None) => Verdict::Restart,
            (true, Some(_)) if reason_to_believe => Verdict::Restart,
            (false, _) if reason_to_believe => Verdict::Reopen,
            _ => Verdict::Wait,
        }
    }
}

impl BackOff {
    pub(crate) fn new(first: Duration) -> Self {
        Self { first, failures: 0, until: None }
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// How long to pause still.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.until?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    pub(crate) fn failed(&mut self) {
        self.until = Instant::now().checked_add(self.next_pause());
        self.failures = self.failures.saturating_add(1);
    }

    fn next_pause(&self) -> Duration {
        self.first.saturating_mul(1 << self.failures.min(20)).min(LONGEST.max(self.first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_given_up_only_with_reason() {
        use SignOfLife::{Acknowledged, Silent, Unknown};
        let (alive, dead, none) = (Some(true), Some(false), None);
        for (name, old_session_answers, bus, looks, budget_spent, expected) in [
            ("the chip is back", alive, Unknown, 0, false, Verdict::GoOn),
            ("the chip is back and the budget is gone", alive, Silent, 9, true, Verdict::GoOn),
            ("the chip is away", dead, Silent, 5, false, Verdict::Wait),
            ("the chip was power-cycled", dead, Acknowledged, 0, false, Verdict::Reopen),
            ("no bus to look at, at once", dead, Unknown, 0, false, Verdict::Wait),
            ("no bus to look at, soon", dead, Unknown, 4, false, Verdict::Wait),
            ("no bus to look at, later", dead, Unknown, 5, false, Verdict::Reopen),
            ("no bus to look at, after one failed opening", none, Unknown, 6, false, Verdict::Wait),
            ("no bus to look at, again later", none, Unknown, 10, false, Verdict::Reopen),
            ("back after a failed opening", none, Acknowledged, 1, false, Verdict::Reopen),
            ("away after two failed openings", none, Silent, 1, true, Verdict::Restart),
            ("power-cycled after two failed openings", dead, Acknowledged, 1, true, Verdict::Restart),
            ("away, the budget gone, the session there", dead, Silent, 1, true, Verdict::Wait),
        ] {
            let look = Look { old_session_answers, bus, looks, budget_spent };
            assert_eq!(look.verdict(), expected, "{name}");
        }
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let mut back_off = BackOff::new(Duration::from_millis(500));
        assert_eq!(back_off.pause(), None);
        for milliseconds in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            assert_eq!(back_off.next_pause(), Duration::from_millis(milliseconds));
            back_off.failed();
        }
        assert!(back_off.pause().is_some());
    }
}
