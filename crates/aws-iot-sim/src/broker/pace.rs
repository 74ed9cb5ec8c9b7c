//! One direction of a transport that the fault `slow-transport` slows down.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// When the transport carries the next bytes.
#[derive(Debug)]
pub(super) struct Pace {
    free_at: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { free_at: Instant::now() }
    }

    /// Waits until the transport is free, where it has a rate, in bytes a second.
    pub(super) async fn ready(&self, rate: Option<u32>) {
        if rate.is_some() {
            sleep_until(self.free_at).await;
        }
    }

    /// Notes what was carried.
    pub(super) fn carried(&mut self, bytes: usize, rate: Option<u32>) {
        if let Some(rate) = rate {
            let seconds = bytes as f64 / f64::from(rate.max(1));
            self.free_at = self.free_at.max(Instant::now()) + Duration::from_secs_f64(seconds);
        }
    }
}

/// How many bytes are carried at once: a tenth of a second's, so that the transport is slow and not jerky.
pub(super) fn portion(rate: Option<u32>, most: usize) -> usize {
    rate.map_or(most, |rate| (rate as usize / 10).clamp(1, most))
}
