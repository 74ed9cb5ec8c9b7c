//! How fast calls are made: one token bucket for each of AWS's operations, since AWS limits each by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Ours: AWS allows about 10 calls a second for most operations ("AWS IoT Core endpoints and quotas"), and others may
/// be calling too.
pub const CALLS_PER_SECOND: f64 = 8.0;

/// Ours: how much faster each answer makes its operation, in calls a second.
const SPEED_UP: f64 = 0.1;
/// Ours: slower than this is never gone, so that a run comes to its end.
const SLOWEST: f64 = 0.5;
/// Ours: faster than this is never gone; the network is the limit then.
const FASTEST: f64 = 1000.0;
/// Ours: refusals that come so close together are one sign, not several.
const ONE_SIGN: Duration = Duration::from_millis(500);
/// Ours: what was not used within this time is lost.
const BURST: Duration = Duration::from_secs(1);

/// The pace of all callers that share it.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    start: f64,
    // Held for a moment only, never across a wait.
    buckets: Arc<Mutex<HashMap<&'static str, Bucket>>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Calls a second.
    rate: f64,
    /// When the next call may be made.
    next: Instant,
    slowed: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self::new(CALLS_PER_SECOND)
    }
}

impl Pace {
    /// Begins with that many calls a second for each operation.
    pub(crate) fn new(calls_per_second: f64) -> Self {
        Self { start: calls_per_second.clamp(SLOWEST, FASTEST), buckets: Arc::default() }
    }

    /// Waits for the turn of a call.
    pub(crate) async fn turn(&self, operation: &'static str) {
        let at = self.with(operation, |bucket, now| {
            let earliest = now.checked_sub(BURST).unwrap_or(now);
            let at = bucket.next.max(earliest);
            bucket.next = at + Duration::from_secs_f64(bucket.rate.recip());
            at
        });
        tokio::time::sleep_until(at).await;
    }

    /// AWS said that this was too fast.
    pub(crate) fn throttled(&self, operation: &'static str) {
        self.with(operation, |bucket, now| {
            if bucket.slowed.is_none_or(|last| now.duration_since(last) >= ONE_SIGN) {
                bucket.rate = (bucket.rate / 2.0).max(SLOWEST);
                bucket.next = bucket.next.max(now + Duration::from_secs_f64(bucket.rate.recip()));
                bucket.slowed = Some(now);
                tracing::info!(operation, rate = bucket.rate, "slower");
            }
        });
    }

    /// AWS answered, whatever the answer is.
    pub(crate) fn answered(&self, operation: &'static str) {
        self.with(operation, |bucket, _| bucket.rate = (bucket.rate + SPEED_UP).min(FASTEST));
    }

    fn with<T>(&self, operation: &'static str, act: impl FnOnce(&mut Bucket, Instant) -> T) -> T {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full = now.checked_sub(BURST).unwrap_or(now);
        act(buckets.entry(operation).or_insert(Bucket { rate: self.start, next: full, slowed: None }), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time is tokio's own here, which stands still but for the sleeps.
    #[tokio::test(start_paused = true)]
    async fn a_burst_is_let_through_then_the_rate_holds_and_each_operation_has_its_own() {
        let (pace, start) = (Pace::new(10.0), Instant::now());
        for _ in 0..10 {
            pace.turn("a").await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO, "ten are there from the beginning");
        for _ in 0..20 {
            pace.turn("a").await;
        }
        assert!(start.elapsed() >= Duration::from_millis(1800), "{:?}", start.elapsed());
        let now = Instant::now();
        pace.turn("b").await;
        assert_eq!(now.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_halves_the_rate_once_a_sign_and_answers_raise_it() {
        let pace = Pace::new(8.0);
        let rate = || pace.with("a", |bucket, _| bucket.rate);
        pace.throttled("a");
        pace.throttled("a");
        assert!((rate() - 4.0).abs() < 0.01, "{}", rate());
        tokio::time::advance(ONE_SIGN).await;
        pace.throttled("a");
        assert!((rate() - 2.0).abs() < 0.01, "{}", rate());
        for _ in 0..10 {
            pace.answered("a");
        }
        assert!((rate() - 3.0).abs() < 0.01, "{}", rate());
    }
}
