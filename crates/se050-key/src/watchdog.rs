//! What the worker thread is doing, and since when the chip has been silent.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Written by the worker thread, read by those who wait for it.
pub(crate) struct Watchdog {
    watch: Mutex<Watch>,
    ended: Condvar,
}

struct Watch {
    ended: bool,
    /// Whether the thread waits for the chip, or is about to.
    is_busy: bool,
    /// When the chip answered last, or the thread began to wait for it.
    ///
    /// While the thread is busy, only a successful call restarts the time: neither a failed call nor the next request does.
    silent_since: Instant,
}

impl Watchdog {
    pub(crate) fn new() -> Self {
        let watch = Watch { ended: false, is_busy: true, silent_since: Instant::now() };
        Self { watch: Mutex::new(watch), ended: Condvar::new() }
    }

    /// A request, or a look at the chip, is begun.
    pub(crate) fn begin(&self) {
        let mut watch = self.lock();
        if !watch.is_busy {
            (watch.is_busy, watch.silent_since) = (true, Instant::now());
        }
    }

    /// A call of the module succeeded.
    pub(crate) fn answered(&self) {
        self.lock().silent_since = Instant::now();
    }

    /// Nothing is left to do.
    pub(crate) fn idle(&self) {
        self.lock().is_busy = false;
    }

    /// The thread is about to end; its session is closed.
    pub(crate) fn end(&self) {
        let mut watch = self.lock();
        (watch.ended, watch.is_busy) = (true, false);
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
        self.lock().silent_since
    }

    /// Whether the chip has been silent for that long while it was waited for.
    pub(crate) fn is_hanging(&self, deadline: Duration) -> bool {
        let watch = self.lock();
        watch.is_busy && watch.silent_since.elapsed() >= deadline
    }

    /// A thread that panicked left consistent values: each is written in one step.
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
        watchdog.idle();
        assert!(!watchdog.is_hanging(Duration::ZERO));
        watchdog.begin();
        let since = watchdog.silent_since();
        // A call failed, and the next request came: the chip is as silent as before.
        watchdog.begin();
        assert_eq!(watchdog.silent_since(), since);
        assert!(watchdog.is_hanging(Duration::ZERO));
        watchdog.answered();
        assert!(watchdog.silent_since() > since);
        watchdog.idle();
        assert!(!watchdog.is_hanging(Duration::ZERO));
        watchdog.end();
        assert!(watchdog.has_ended());
    }
}
