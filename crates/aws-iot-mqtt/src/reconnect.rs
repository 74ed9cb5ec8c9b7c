//! When to connect again: a state machine without a clock, without randomness and without I/O.

use std::time::{Duration, Instant};

use tracing::warn;

use crate::verdict::Fault;

/// What AWS's own device SDK does (aws-c-mqtt, `AWS_MQTT5_DEFAULT_MIN_RECONNECT_DELAY_MS` and the two after it).
const MINIMUM: Duration = Duration::from_secs(1);
const MAXIMUM: Duration = Duration::from_secs(120);
/// How long a connection without an answer has to stay up before the delays start anew.
const STABLE: Duration = Duration::from_secs(30);
/// Shortest connection whose answer ends a row of failures. A server that closes on a message which the policy
/// denies does so after a round trip: the message is sent again at once after each reconnect.
const SETTLED: Duration = Duration::from_millis(500);
/// How many refusals, and over how long: together enough to tell a certificate or policy that is just being set up
/// from one that is missing. AWS IoT Core takes minutes to apply a change.
const REFUSALS: u32 = 5;
const REFUSED_FOR: Duration = Duration::from_secs(5 * 60);
/// Seldom enough to be no burden, often enough that a device whose policy was put right comes back by itself.
const SLOWLY: Duration = Duration::from_secs(15 * 60);

/// When to connect again after a connection was lost or could not be made: exponential backoff with full jitter.
///
/// Every failure that may pass by itself is tried again within 120 s, and sooner where it often passes soon: a signer's
/// error within 5 s, a server certificate that does not pass the check within 15 s, a missing CONNACK within 20 s,
/// another client with the same client id within 30 s.
///
/// Only refusals go slower: after 5 in a row and 5 minutes, the next attempts follow every 11 to 15 minutes. A refusal
/// is a signer's error that the application calls [`Permanent`](crate::Verdict::Permanent); and, as long as the server
/// has never accepted a connection of this [`Client`](crate::Client), a CONNACK with a reason code that names this
/// client, its certificate or its policy, or a TLS alert about its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "hand it to `Builder::reconnect`"]
pub struct Reconnect {
    enabled: bool,
    minimum: Duration,
    maximum: Duration,
}

impl Reconnect {
    /// The first delay is at most 1 s. The bound doubles up to 120 s, and starts anew after a connection on which the
    /// server answered a request, or which stayed up for 30 s.
    pub const fn new() -> Self {
        Self { enabled: true, minimum: MINIMUM, maximum: MAXIMUM }
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
}

impl Default for Reconnect {
    fn default() -> Self {
        Self::new()
    }
}

/// A client's position in its row of failed attempts.
#[derive(Debug)]
pub(crate) struct Backoff {
    policy: Reconnect,
    /// Since the last connection that settled.
    failures: u32,
    /// Since the last connection.
    refusals: u32,
    first_refusal: Option<Instant>,
    /// The server has accepted a connection of this client before.
    was_accepted: bool,
}

/// How an attempt or a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The server accepted no connection.
    NotConnected,
    /// The server had accepted the connection.
    Connected {
        /// From CONNACK to the end.
        up: Duration,
        /// The server has answered a PUBLISH, SUBSCRIBE or UNSUBSCRIBE on this connection.
        answered: bool,
    },
}

impl Backoff {
    pub(crate) fn new(policy: Reconnect) -> Self {
        Self { policy, failures: 0, refusals: 0, first_refusal: None, was_accepted: false }
    }

    /// How long to wait after an attempt failed, or a connection ended, at `now`; `None` where no other attempt makes sense.
    /// `random` decides the jitter.
    pub(crate) fn next(&mut self, fault: Fault, ended: Ended, now: Instant, random: u64) -> Option<Duration> {
        let policy = self.policy;
        if !policy.enabled || fault == Fault::Final {
            return None;
        }
        if let Ended::Connected { up, answered } = ended {
            self.was_accepted = true;
            (self.refusals, self.first_refusal) = (0, None);
            if up >= STABLE || (answered && up >= SETTLED && !fault.recurs()) {
                self.failures = 0;
            }
        }
        let doubled = policy.minimum.saturating_mul(2_u32.saturating_pow(self.failures));
        let soon = if let Fault::Soon(bound) = fault { bound } else { Duration::MAX };
        let bound = doubled.min(policy.maximum).min(soon);
        self.failures = self.failures.saturating_add(1);
        if fault == Fault::SignerRefused || (fault == Fault::Refused && !self.was_accepted) {
            self.refusals = self.refusals.saturating_add(1);
            let refused_for = now.saturating_duration_since(*self.first_refusal.get_or_insert(now));
            if self.refusals >= REFUSALS && refused_for >= REFUSED_FOR {
                // Different for each device, so that a fleet does not come all at once.
                let delay = SLOWLY - share(SLOWLY / 4, random);
                warn!(?delay, "refused for minutes: the next attempt follows after the long interval");
                return Some(delay);
            }
        }
        Some(share(bound, random))
    }
}

/// A part of `whole`, as large as `random` is within its range.
fn share(whole: Duration, random: u64) -> Duration {
    // The top 32 bits are exact in a float.
    whole.mul_f64((random >> 32) as f64 / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
