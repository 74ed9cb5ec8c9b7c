//! How fast calls are made before AWS throttles anything: so many a second for each operation, since AWS limits each by
//! itself. After a throttling the SDK's own (adaptive) limit comes on top. That one alone is not enough: it knows only all
//! operations together, and begins only when others who use the account have been throttled too. Measured in `docs/fleet.md`: with
//! it alone, a fleet takes 1.7 times as long at AWS's usual quotas.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Ours: AWS allows about 10 calls a second for most operations ("AWS IoT Core endpoints and quotas"), and others may
/// be calling too.
pub const CALLS_PER_SECOND: f64 = 8.0;

/// The pace of all callers that share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace {
    /// Between two calls of one operation; none: as fast as they come.
    interval: Duration,
    /// When the next call of an operation may be made. Held for a moment only, never across a wait.
    next: Arc<Mutex<HashMap<&'static str, Instant>>>,
}

impl Pace {
    /// That many calls a second for each operation. What is not a positive number sets no limit.
    pub(crate) fn new(calls_per_second: f64) -> Self {
        let interval = Duration::try_from_secs_f64(calls_per_second.recip()).unwrap_or_default();
        Self { interval, next: Arc::default() }
    }

    /// Waits for the turn of a call.
    pub(crate) async fn turn(&self, operation: &'static str) {
        let now = Instant::now();
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let next = next.entry(operation).or_insert(now);
            let at = (*next).max(now);
            *next = at.checked_add(self.interval).unwrap_or(at);
            at
        };
        tokio::time::sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time is tokio's own here, which stands still but for the sleeps.
    #[tokio::test(start_paused = true)]
    async fn the_rate_holds_and_each_operation_has_its_own() {
        let (pace, start) = (Pace::new(10.0), Instant::now());
        for _ in 0..21 {
            pace.turn("a").await;
        }
        assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
        let now = Instant::now();
        pace.turn("b").await;
        assert_eq!(now.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_rate_is_no_limit_and_no_panic() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
            Pace::new(rate).turn("a").await;
        }
    }
}
