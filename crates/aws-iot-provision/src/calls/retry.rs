//! How long to wait before a call is made again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Ours: the first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(100);
/// Ours: the longest pause.
const LONGEST: Duration = Duration::from_secs(5);

/// A random part of a pause that grows with the attempts: callers that failed together shall not come back together.
pub(super) fn pause(attempts: u32) -> Duration {
    let full = FIRST.saturating_mul(1 << attempts.min(10)).min(LONGEST);
    // Nothing depends on this being unpredictable.
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    full.mul_f64(0.5 + f64::from(nanoseconds % 1000) / 2000.0)
}
