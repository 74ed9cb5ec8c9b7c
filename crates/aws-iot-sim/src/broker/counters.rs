//! What the broker has done so far, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that the whole broker shares.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) handshakes_refused: Counter,
    pub(crate) connects_received: Counter,
    pub(crate) connects_accepted: Counter,
    pub(crate) connects_refused: Counter,
    pub(crate) publishes_received: Counter,
    pub(crate) publishes_delivered: Counter,
}

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
