//! The faults that are switched on now.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Fault, Injection};

/// What is switched on. Control plane and broker share it.
#[derive(Debug, Default)]
pub(crate) struct ActiveFaults {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    injections: Vec<Injection>,
    /// How often each pair was attached in vain, for `eventual-consistency`.
    attempts: HashMap<String, u32>,
}

impl ActiveFaults {
    /// Switches a fault on. One of the same kind is replaced.
    pub(crate) fn inject(&self, injection: Injection) {
        let mut state = self.state();
        tracing::info!(fault = %injection, "fault switched on");
        state.injections.retain(|one| !one.fault.is_same_kind(&injection.fault));
        if injection.times != Some(0) {
            state.injections.push(injection);
        }
    }

    /// Switches off the fault of that kind. Returns whether it was on.
    pub(crate) fn clear(&self, fault: &Fault) -> bool {
        let mut state = self.state();
        let before = state.injections.len();
        state.injections.retain(|one| !one.fault.is_same_kind(fault));
        state.injections.len() < before
    }

    /// Switches everything off.
    pub(crate) fn clear_all(&self) {
        *self.state() = State::default();
    }

    /// What is on, in its text form.
    pub(crate) fn list(&self) -> Vec<String> {
        self.state().injections.iter().map(Injection::to_string).collect()
    }

    /// Whether that fault strikes now. Counts down.
    pub(crate) fn strikes(&self, fault: &Fault) -> bool {
        self.find(|one| (one == fault).then_some(())).is_some()
    }

    /// What `pick` makes of the first fault that it takes. Counts down.
    pub(crate) fn find<T>(&self, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let mut state = self.state();
        let found = state.injections.iter_mut().find_map(|one| Some((pick(&one.fault)?, one)));
        let (picked, injection) = found?;
        tracing::info!(fault = %injection, "fault strikes");
        if let Some(times) = &mut injection.times {
            *times = times.saturating_sub(1);
        }
        state.injections.retain(|one| one.times != Some(0));
        Some(picked)
    }

    /// The bytes a second of `slow-link`, which is not counted.
    pub(crate) fn bytes_per_second(&self) -> Option<u32> {
        self.state().injections.iter().find_map(|one| match one.fault {
            Fault::SlowLink { bytes_per_second } => Some(bytes_per_second),
            _ => None,
        })
    }

    /// Whether what `pair` names cannot be seen yet (`eventual-consistency`). Counts the attempt.
    pub(crate) fn is_invisible(&self, pair: &str) -> bool {
        let mut state = self.state();
        let times = state.injections.iter().find_map(|one| match one.fault {
            Fault::EventualConsistency { times } => Some(times),
            _ => None,
        });
        let Some(times) = times else { return false };
        let attempts = state.attempts.entry(pair.to_owned()).or_default();
        *attempts = attempts.saturating_add(1);
        *attempts <= times
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, ApiRefusal};
    use super::*;

    #[test]
    fn a_fault_strikes_as_often_as_asked_and_until_it_is_cleared() {
        let faults = ActiveFaults::default();
        assert!(!faults.strikes(&Fault::Throttle));
        faults.inject(Fault::Throttle.times(2));
        let strikes: Vec<bool> = (0..3).map(|_| faults.strikes(&Fault::Throttle)).collect();
        assert_eq!(strikes, [true, true, false]);
        faults.inject(Fault::Throttle.times(0));
        assert!(!faults.strikes(&Fault::Throttle));
        faults.inject(Fault::Throttle.into());
        assert!((0..100).all(|_| faults.strikes(&Fault::Throttle)));
        assert!(faults.clear(&Fault::Throttle) && !faults.clear(&Fault::Throttle));
        assert!(!faults.strikes(&Fault::Throttle));
    }

    #[test]
    fn a_fault_replaces_one_of_its_kind() {
        let faults = ActiveFaults::default();
        let refuse = |operation: &str, refusal| Fault::Refuse { operation: operation.to_owned(), refusal };
        for fault in [
            Fault::SlowLink { bytes_per_second: 1 },
            Fault::SlowLink { bytes_per_second: 2 },
            Fault::Withhold(Answer::Puback),
            Fault::Withhold(Answer::Suback),
            refuse("A", ApiRefusal::Throttling),
            refuse("B", ApiRefusal::Throttling),
            refuse("A", ApiRefusal::ExplicitDeny),
        ] {
            faults.inject(fault.into());
        }
        let wanted = [
            "slow-link=2",
            "withhold=puback",
            "withhold=suback",
            "refuse=B:throttling",
            "refuse=A:explicit-deny",
        ];
        assert_eq!(faults.list(), wanted);
        assert_eq!(faults.bytes_per_second(), Some(2));
        faults.clear_all();
        assert!(faults.list().is_empty());
    }

    #[test]
    fn what_is_new_becomes_visible_after_its_own_number_of_attempts() {
        let faults = ActiveFaults::default();
        assert!(!faults.is_invisible("a"));
        faults.inject(Fault::EventualConsistency { times: 2 }.into());
        let attempts: Vec<bool> = ["a", "a", "b", "a", "b", "b"].map(|pair| faults.is_invisible(pair)).into();
        assert_eq!(attempts, [true, true, true, false, true, false]);
    }
}
