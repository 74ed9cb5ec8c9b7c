//! When to connect again.

use std::time::Duration;

use crate::Verdict;

/// What AWS's own device SDK does (aws-c-mqtt, `AWS_MQTT5_DEFAULT_MIN_RECONNECT_DELAY_MS` and the two after it).
const MINIMUM: Duration = Duration::from_secs(1);
const MAXIMUM: Duration = Duration::from_secs(120);
const STABLE: Duration = Duration::from_secs(30);
/// Enough to tell a policy that is just being attached from one that is missing.
const REFUSALS: u32 = 5;
/// Seldom enough to be no burden, often enough that a device whose policy was put right comes back by itself.
const SLOWLY: Duration = Duration::from_secs(15 * 60);

/// When to connect again after a connection was lost or could not be made: exponential backoff with full jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "hand it to `Builder::reconnect`"]
pub struct Reconnect {
    enabled: bool,
    minimum: Duration,
    maximum: Duration,
    stable: Duration,
    refusals: u32,
    after_refusals: AfterRefusals,
}

/// What happens when the server, or the key, keeps saying no to this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterRefusals {
    /// The client ends, and everybody who waits gets the reason.
    GiveUp,
    /// It goes on, at this interval.
    GoOnSlowly(Duration),
}

impl Reconnect {
    /// The first delay is up to 1 s, and doubles up to 120 s; it starts anew after a connection that stayed up for
    /// 30 s; after 5 refusals in a row it goes on every 15 minutes.
    pub const fn new() -> Self {
        Self {
            enabled: true,
            minimum: MINIMUM,
            maximum: MAXIMUM,
            stable: STABLE,
            refusals: REFUSALS,
            after_refusals: AfterRefusals::GoOnSlowly(SLOWLY),
        }
    }

    /// The client ends with its connection.
    pub const fn never() -> Self {
        Self { enabled: false, ..Self::new() }
    }

    /// The bound of the first delay, and that of the longest. Each delay is drawn evenly between zero and its bound,
    /// which doubles from one to the next.
    pub const fn delays(mut self, minimum: Duration, maximum: Duration) -> Self {
        (self.minimum, self.maximum) = (minimum, maximum);
        self
    }

    /// How long a connection has to stay up before the delays start anew.
    pub const fn stable_after(mut self, stable: Duration) -> Self {
        self.stable = stable;
        self
    }

    /// After how many refusals in a row what happens. A refusal is what will not change by itself: the certificate is
    /// not known, the policy does not allow it, the key is the wrong one, another client uses the same client id.
    pub const fn after_refusals(mut self, refusals: u32, then: AfterRefusals) -> Self {
        (self.refusals, self.after_refusals) = (refusals, then);
        self
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a client is in its row of attempts.
#[derive(Debug)]
pub(crate) struct Backoff {
    policy: Reconnect,
    failures: u32,
    refusals: u32,
}

/// What to do about a connection that is lost or could not be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Retry(Duration),
    GiveUp,
}

impl Backoff {
    pub(crate) fn new(policy: Reconnect) -> Self {
        Self { policy, failures: 0, refusals: 0 }
    }

    /// A connection ended after it was up for `up`, which is zero where it never stood. `random` decides the jitter.
    pub(crate) fn next(&mut self, verdict: Verdict, up: Duration, random: u64) -> Next {
        let policy = self.policy;
        if !policy.enabled || verdict == Verdict::Final {
            return Next::GiveUp;
        }
        if up >= policy.stable {
            self.failures = 0;
        }
        match verdict {
            Verdict::Permanent => self.refusals = self.refusals.saturating_add(1),
            // A connection that stood was not refused.
            Verdict::Transient if up > Duration::ZERO => self.refusals = 0,
            Verdict::Transient | Verdict::Final => {}
        }
        let bound = policy.minimum.saturating_mul(2_u32.saturating_pow(self.failures)).min(policy.maximum);
        self.failures = self.failures.saturating_add(1);
        if verdict == Verdict::Permanent && self.refusals >= policy.refusals.max(1) {
            return match policy.after_refusals {
                AfterRefusals::GiveUp => Next::GiveUp,
                // Somewhat shorter for some than for others, so that a fleet does not come all at once.
                AfterRefusals::GoOnSlowly(slowly) => Next::Retry(slowly - share(slowly / 4, random)),
            };
        }
        Next::Retry(share(bound, random))
    }
}

/// A part of `whole`, as large as `random` is within its range.
fn share(whole: Duration, random: u64) -> Duration {
    // The top 32 bits are exact in a float.
    whole.mul_f64((random >> 32) as f64 / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = u64::MAX;
    const SECOND: Duration = Duration::from_secs(1);

    fn delays(backoff: &mut Backoff, count: usize, verdict: Verdict) -> Vec<u64> {
        let mut delay = || match backoff.next(verdict, Duration::ZERO, MOST) {
            Next::Retry(delay) => delay.as_secs(),
            Next::GiveUp => u64::MAX,
        };
        (0..count).map(|_| delay()).collect()
    }

    #[test]
    fn delays_double_up_to_the_maximum_and_start_anew_after_a_stable_connection_only() {
        let mut backoff = Backoff::new(Reconnect::new());
        assert_eq!(delays(&mut backoff, 9, Verdict::Transient), [1, 2, 4, 8, 16, 32, 64, 120, 120]);
        assert_eq!(backoff.next(Verdict::Transient, SECOND, MOST), Next::Retry(120 * SECOND), "too short");
        assert_eq!(backoff.next(Verdict::Transient, 30 * SECOND, MOST), Next::Retry(SECOND));
        assert_eq!(delays(&mut backoff, 2, Verdict::Transient), [2, 4]);
    }

    #[test]
    fn jitter_is_full() {
        let drawn = |random| Backoff::new(Reconnect::new()).next(Verdict::Transient, Duration::ZERO, random);
        assert_eq!(drawn(0), Next::Retry(Duration::ZERO));
        assert_eq!(drawn(MOST), Next::Retry(SECOND));
        assert!(matches!(drawn(MOST / 2), Next::Retry(half) if (0.49..0.51).contains(&half.as_secs_f64())));
    }

    #[test]
    fn refusals_go_slowly_or_end_it_as_chosen() {
        let slowly = Reconnect::new().after_refusals(3, AfterRefusals::GoOnSlowly(1000 * SECOND));
        assert_eq!(delays(&mut Backoff::new(slowly), 4, Verdict::Permanent), [1, 2, 750, 750]);
        let giving_up = Reconnect::new().after_refusals(3, AfterRefusals::GiveUp);
        let mut backoff = Backoff::new(giving_up);
        assert_eq!(delays(&mut backoff, 2, Verdict::Permanent), [1, 2]);
        // No connection in between: an outage does not make a refusal undone.
        assert_eq!(delays(&mut backoff, 1, Verdict::Transient), [4]);
        assert_eq!(backoff.next(Verdict::Permanent, Duration::ZERO, 0), Next::GiveUp);
        // Two clients with one id: each connection stands, until the other one comes.
        let mut backoff = Backoff::new(giving_up);
        let ends = [(); 3].map(|()| backoff.next(Verdict::Permanent, 60 * SECOND, MOST));
        assert_eq!(ends, [Next::Retry(SECOND), Next::Retry(SECOND), Next::GiveUp]);
    }

    #[test]
    fn a_connection_that_stood_and_broke_clears_the_refusals() {
        let mut backoff = Backoff::new(Reconnect::new().after_refusals(2, AfterRefusals::GiveUp));
        assert!(matches!(backoff.next(Verdict::Permanent, Duration::ZERO, 0), Next::Retry(_)));
        assert!(matches!(backoff.next(Verdict::Transient, SECOND, 0), Next::Retry(_)));
        assert!(matches!(backoff.next(Verdict::Permanent, Duration::ZERO, 0), Next::Retry(_)));
        assert_eq!(backoff.next(Verdict::Permanent, Duration::ZERO, 0), Next::GiveUp);
    }

    #[test]
    fn never_is_never() {
        assert_eq!(Backoff::new(Reconnect::never()).next(Verdict::Transient, SECOND, 0), Next::GiveUp);
        assert_eq!(Backoff::new(Reconnect::new()).next(Verdict::Final, SECOND, 0), Next::GiveUp);
    }
}
