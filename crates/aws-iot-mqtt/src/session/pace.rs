//! How fast messages may go out.

use std::time::{Duration, Instant};

use crate::Limits;

/// A second's allowance is earned evenly; this part of it may be saved up, so that a few messages at once need not wait
/// while no second sees much more than the limit.
const BURST: f64 = 0.1;

/// Two allowances, of messages and of bytes. Both have to be there for a message to go; the bytes may then be
/// overdrawn by one message, whose price is earned before the next one goes.
pub(super) struct Pace {
    messages: Option<Allowance>,
    bytes: Option<Allowance>,
}

struct Allowance {
    per_second: f64,
    most: f64,
    left: f64,
    at: Instant,
}

impl Pace {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        let allowance = |per_second: Option<u32>| per_second.map(|rate| Allowance::new(rate.into(), now));
        Self { messages: allowance(limits.publishes_per_second), bytes: allowance(limits.bytes_per_second) }
    }

    /// When the next message may go: now, or later.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        let message = self.messages.as_mut().map(|messages| messages.reaches(1.0, now));
        let bytes = self.bytes.as_mut().map(|bytes| bytes.reaches(0.0, now));
        message.into_iter().chain(bytes).max().unwrap_or(now)
    }

    pub(super) fn spend(&mut self, bytes: usize) {
        if let Some(messages) = &mut self.messages {
            messages.left -= 1.0;
        }
        if let Some(allowance) = &mut self.bytes {
            allowance.left -= bytes as f64;
        }
    }
}

impl Allowance {
    fn new(per_second: f64, now: Instant) -> Self {
        let most = (per_second * BURST).max(1.0);
        Self { per_second: per_second.max(f64::MIN_POSITIVE), most, left: most, at: now }
    }

    /// When there is `wanted`.
    fn reaches(&mut self, wanted: f64, now: Instant) -> Instant {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + earned).min(self.most);
        self.at = now;
        let missing = wanted - self.left;
        if missing <= 0.0 {
            return now;
        }
        // Rounded up to the timer's own grain, or the last bit would be waited for many times over.
        let wait = Duration::try_from_secs_f64(missing / self.per_second).unwrap_or(Duration::MAX);
        now.checked_add(wait.saturating_add(Duration::from_millis(1))).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of `count` messages of that size goes, in seconds from the start.
    fn times(limits: &Limits, count: usize, bytes: usize) -> Vec<f64> {
        let start = Instant::now();
        let (mut pace, mut now) = (Pace::new(limits, start), start);
        (0..count)
            .map(|_| {
                // Two steps: the first may be short by a rounding.
                now = pace.next(now);
                now = pace.next(now);
                pace.spend(bytes);
                (now - start).as_secs_f64()
            })
            .collect()
    }

    #[test]
    fn a_hundred_messages_a_second_and_a_small_burst() {
        let times = times(&Limits::aws_iot_core(), 311, 100);
        assert!(times[9] < 0.001, "ten at once: {}", times[9]);
        assert!((2.9..3.4).contains(&times[310]), "then at the rate: {}", times[310]);
        let most_in_a_second =
            (0..311).map(|i| times.iter().filter(|t| (0.0..1.0).contains(&(**t - times[i]))).count());
        assert!(most_in_a_second.max() <= Some(111));
    }

    #[test]
    fn half_a_mebibyte_a_second() {
        let times = times(&Limits::aws_iot_core(), 21, 128 * 1024);
        assert!((4.5..5.2).contains(&times[20]), "20 times 128 KiB take 5 s: {}", times[20]);
    }

    #[test]
    fn without_limits_nothing_waits() {
        assert!(times(&Limits::mqtt5(), 1000, 1_000_000).iter().all(|time| *time == 0.0));
    }
}
