//! What the owner thread is doing, and since when the chip has been silent.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the thread that owns the PKCS#11 module is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnerState {
    /// It waits for a request.
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
    /// The thread has ended.
    Ended,
}

/// Written by the owner thread after each call of the module, read by those who wait for it.
pub(crate) struct Pulse {
    beat: Mutex<Beat>,
    ended: Condvar,
}

struct Beat {
    busy: bool,
    ended: bool,
    /// When a request was begun, or the module last returned from a call.
    last: Instant,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self {
            beat: Mutex::new(Beat { busy: true, ended: false, last: Instant::now() }),
            ended: Condvar::new(),
        }
    }

    /// A request is begun.
    pub(crate) fn begin(&self) {
        let mut beat = self.lock();
        beat.busy = true;
        beat.last = Instant::now();
    }

    /// The module returned from a call.
    pub(crate) fn beat(&self) {
        self.lock().last = Instant::now();
    }

    /// A request is done.
    pub(crate) fn rest(&self) {
        let mut beat = self.lock();
        beat.busy = false;
        beat.last = Instant::now();
    }

    /// The thread is about to end; its session is closed.
    pub(crate) fn end(&self) {
        let mut beat = self.lock();
        beat.busy = false;
        beat.ended = true;
        self.ended.notify_all();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether the thread ended within that time.
    pub(crate) fn wait_for_end(&self, time: Duration) -> bool {
        let waited = self.ended.wait_timeout_while(self.lock(), time, |beat| !beat.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    /// When the chip gave a sign of life last, or the thread began to ask it for one.
    pub(crate) fn last(&self) -> Instant {
        self.lock().last
    }

    pub(crate) fn state(&self, deadline: Duration) -> OwnerState {
        let beat = self.lock();
        let silent_for = beat.last.elapsed();
        match (beat.ended, beat.busy) {
            (true, _) => OwnerState::Ended,
            (_, false) => OwnerState::Idle,
            _ if silent_for >= deadline => OwnerState::Hanging { silent_for },
            _ => OwnerState::Busy { silent_for },
        }
    }

    /// A thread that panicked left the beat as it was: no value of it is half written.
    fn lock(&self) -> MutexGuard<'_, Beat> {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
