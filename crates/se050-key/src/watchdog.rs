//! What the worker thread is doing, and since when the chip has been silent.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How it stands with the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenState {
    /// The worker thread waits for a request.
    Idle,
    /// It waits for the chip.
    Busy {
        /// For how long the chip has been silent.
        silent_for: Duration,
    },
    /// The chip has been silent for longer than the token's deadline: requests fail until it answers.
    Hanging {
        /// For how long the chip has been silent.
        silent_for: Duration,
    },
    /// The chip does not answer; it is looked for at intervals, and requests fail meanwhile.
    Unreachable {
        /// For how long.
        silent_for: Duration,
        /// How many openings may still fail before only a new process helps; `None` where that is not limited.
        openings_left: Option<u32>,
    },
    /// Only a new process can open the chip again.
    RestartNeeded,
    /// The thread has ended.
    Ended,
}

/// The chip does not answer, as far as others than the worker thread need to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unreachable {
    pub(crate) since: Instant,
    pub(crate) openings_left: Option<u32>,
    pub(crate) restart_needed: bool,
}

/// Written by the worker thread, read by those who wait for it.
pub(crate) struct Watchdog {
    watch: Mutex<Watch>,
    ended: Condvar,
}

struct Watch {
    ended: bool,
    /// When the chip answered last, or the thread began to wait for it; `None` while nothing is to do.
    ///
    /// A call that fails is no answer, and neither is the next request: only a success starts the time anew.
    waiting_since: Option<Instant>,
    /// When the chip answered last.
    last_answer: Instant,
    unreachable: Option<Unreachable>,
}

impl Watchdog {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let watch = Watch { ended: false, waiting_since: Some(now), last_answer: now, unreachable: None };
        Self { watch: Mutex::new(watch), ended: Condvar::new() }
    }

    /// A request, or a look at the chip, is begun.
    pub(crate) fn begin(&self) {
        let mut watch = self.lock();
        watch.waiting_since = watch.waiting_since.or_else(|| Some(Instant::now()));
    }

    /// A call of the module succeeded.
    pub(crate) fn answered(&self) {
        let mut watch = self.lock();
        let now = Instant::now();
        watch.last_answer = now;
        watch.waiting_since = watch.waiting_since.map(|_| now);
    }

    /// Nothing is left to do.
    pub(crate) fn idle(&self, unreachable: Option<Unreachable>) {
        let mut watch = self.lock();
        watch.waiting_since = None;
        watch.unreachable = unreachable;
    }

    /// The thread is about to end; its session is closed.
    pub(crate) fn end(&self) {
        let mut watch = self.lock();
        watch.ended = true;
        watch.waiting_since = None;
        self.ended.notify_all();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether the thread ended within that time.
    pub(crate) fn wait_for_end(&self, time: Duration) -> bool {
        let waited = self.ended.wait_timeout_while(self.lock(), time, |watch| !watch.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    /// When the chip answered last, or the thread began to wait for it.
    pub(crate) fn silent_since(&self) -> Instant {
        let watch = self.lock();
        watch.waiting_since.unwrap_or(watch.last_answer)
    }

    /// Whether the chip has been silent for that long while it was waited for.
    pub(crate) fn is_hanging(&self, deadline: Duration) -> bool {
        self.lock().waiting_since.is_some_and(|since| since.elapsed() >= deadline)
    }

    pub(crate) fn state(&self, deadline: Duration) -> TokenState {
        let watch = self.lock();
        match (watch.ended, watch.waiting_since, watch.unreachable) {
            (true, ..) => TokenState::Ended,
            (_, Some(since), _) => {
                let silent_for = since.elapsed();
                if silent_for >= deadline {
                    TokenState::Hanging { silent_for }
                } else {
                    TokenState::Busy { silent_for }
                }
            }
            (_, None, Some(Unreachable { restart_needed: true, .. })) => TokenState::RestartNeeded,
            (_, None, Some(Unreachable { since, openings_left, .. })) => {
                TokenState::Unreachable { silent_for: since.elapsed(), openings_left }
            }
            (_, None, None) => TokenState::Idle,
        }
    }

    /// A thread that panicked left the values as they were: none of them is half written.
    fn lock(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_ends_the_chips_silence() {
        let watchdog = Watchdog::new();
        watchdog.idle(None);
        assert_eq!(watchdog.state(Duration::ZERO), TokenState::Idle);
        watchdog.begin();
        let since = watchdog.lock().waiting_since;
        // A call failed, and the next request came: the chip is as silent as before.
        watchdog.begin();
        assert_eq!(watchdog.lock().waiting_since, since);
        assert!(watchdog.is_hanging(Duration::ZERO));
        watchdog.answered();
        assert!(watchdog.lock().waiting_since > since);
        watchdog.idle(None);
        assert!(!watchdog.is_hanging(Duration::ZERO));
        watchdog.end();
        assert_eq!(watchdog.state(Duration::ZERO), TokenState::Ended);
    }
}
