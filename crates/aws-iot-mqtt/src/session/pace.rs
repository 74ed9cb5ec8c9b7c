//! How fast messages may go out.

use std::time::{Duration, Instant};

use crate::Limits;
use crate::clock::after;

/// How much of a second's allowance may go at once, in seconds: a few messages need not wait, while no second sees much
/// more than the limit.
const BURST: f64 = 0.1;

/// Two allowances, of messages and of bytes. A message goes when both allow it; its bytes are then paid before the next.
pub(super) struct Pace {
    messages: Option<Allowance>,
    bytes: Option<Allowance>,
}

/// Goes on at an even rate: the generic cell rate algorithm (ITU-T I.371).
struct Allowance {
    per_second: f64,
    /// How long before `paid` the next one may go.
    burst: Duration,
    /// When everything that went is paid for.
    paid: Instant,
}

impl Pace {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        let allowance = |rate: Option<u32>, at_once: f64| {
            let per_second = rate.map(|rate| f64::from(rate).max(f64::MIN_POSITIVE))?;
            let burst = Duration::try_from_secs_f64(BURST - at_once / per_second).unwrap_or_default();
            Some(Allowance { per_second, burst, paid: now })
        };
        Self {
            messages: allowance(limits.publishes_per_second, 1.0),
            bytes: allowance(limits.bytes_per_second, 0.0),
        }
    }

    /// When the next message may go: now, or later.
    pub(super) fn next(&self, now: Instant) -> Instant {
        let allowances = self.messages.iter().chain(&self.bytes);
        allowances.filter_map(|one| one.paid.checked_sub(one.burst)).fold(now, Instant::max)
    }

    pub(super) fn spend(&mut self, bytes: usize, now: Instant) {
        let prices = [(&mut self.messages, 1.0), (&mut self.bytes, bytes as f64)];
        for (allowance, amount) in prices {
            if let Some(one) = allowance {
                let time = Duration::try_from_secs_f64(amount / one.per_second).unwrap_or(Duration::MAX);
                one.paid = after(one.paid.max(now), time);
            }
        }
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
                now = pace.next(now);
                pace.spend(bytes, now);
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
