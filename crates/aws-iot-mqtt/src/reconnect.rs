//! Whether an error may pass, and when to connect again: a state machine without a clock, without randomness and without
//! I/O.

use std::error::Error as StdError;
use std::io;
use std::time::{Duration, Instant};

use tracing::warn;

use crate::{Cause, Error, ReasonCode, Stage};

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

/// Whether what failed may work the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass by itself: a network that is away, a chip that was busy, a server that restarts.
    Transient,
    /// Somebody probably has to change something: a policy, a certificate, a key. A running client still tries again,
    /// see [`Reconnect`](crate::Reconnect).
    Permanent,
    /// No attempt of this process can succeed, whatever somebody changes: the client gives up at once. Only for
    /// [`Builder::classify_signer_errors`](crate::Builder::classify_signer_errors) to say, of a key that only a new
    /// process can use again.
    Final,
}

/// What decides how soon the next attempt follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It may pass by itself.
    Passing,
    /// The next connection will probably end for the same reason: the server said why it ended this one (DISCONNECT),
    /// somebody broke the protocol, or does not answer.
    Recurring,
    /// It often passes soon: the delay is at most so long.
    Soon(Duration),
    /// The server refuses this client, its certificate or its policy.
    Refused,
    /// The signer's error will not pass, says the application.
    SignerRefused,
    /// No attempt of this process can succeed, says the application.
    Final,
}

impl Fault {
    /// Another client has connected with the same client id. A device that replaces another one should not be offline for
    /// long; two that fight should not do so quickly.
    pub(crate) const TAKEN_OVER: Self = Self::Soon(Duration::from_secs(30));
    /// CONNECT was not answered. AWS IoT Device Advisor withholds CONNACK and wants to see 12 attempts within 300 s. An
    /// attempt waits 10 s.
    pub(crate) const NO_CONNACK: Self = Self::Soon(Duration::from_secs(20));
    /// The server's certificate did not pass the check. Such an attempt ends before the key signs, so it costs little.
    pub(crate) const SERVER_NOT_TRUSTED: Self = Self::Soon(Duration::from_secs(15));
    /// The signer's error may pass: the key is away, as a chip that lost its power is, and often back within seconds.
    pub(crate) const SIGNER_AWAY: Self = Self::Soon(Duration::from_secs(5));

    /// Whether an answer on the connection says nothing about the next connection.
    pub(crate) fn recurs(self) -> bool {
        matches!(self, Self::Recurring | Self::Soon(_))
    }
}

/// The application's function that judges its signer's errors.
pub(crate) type Classify = fn(&(dyn StdError + 'static)) -> Verdict;

impl Error {
    /// Whether it may work the next time. For [`Error::Signer`] this is always [`Verdict::Transient`]: only the
    /// application knows its signer's errors, see
    /// [`Builder::classify_signer_errors`](crate::Builder::classify_signer_errors).
    pub fn verdict(&self) -> Verdict {
        self.judge().0
    }

    /// What decides how soon the next attempt follows.
    pub(crate) fn fault(&self, classify_signer_error: Classify) -> Fault {
        let Self::Signer { source, .. } = self else { return self.judge().1 };
        match classify_signer_error(&**source) {
            Verdict::Transient => Fault::SIGNER_AWAY,
            Verdict::Permanent => Fault::SignerRefused,
            Verdict::Final => Fault::Final,
        }
    }

    fn judge(&self) -> (Verdict, Fault) {
        use Verdict::{Permanent, Transient};
        match self {
            Self::ServerNotTrusted { .. } => (Permanent, Fault::SERVER_NOT_TRUSTED),
            // It is set by the network's time, once there is a network.
            Self::Clock { .. } => (Transient, Fault::SERVER_NOT_TRUSTED),
            Self::ConnectTimeout { stage: Stage::Mqtt, .. } => (Transient, Fault::NO_CONNACK),
            Self::CertificateRefused { .. } => (Permanent, Fault::Refused),
            Self::ConnectRefused { reason, .. } if reason.refuses_client() => (Permanent, Fault::Refused),
            Self::Tls { source, .. } => of_tls(source),
            Self::Disconnected { reason: ReasonCode::SESSION_TAKEN_OVER, .. } => {
                (Permanent, Fault::TAKEN_OVER)
            }
            Self::Disconnected { reason, .. } if reason.blames_client() => (Permanent, Fault::Recurring),
            // With the keep alive and the time-out of an ordinary connection, it was stable before it ended like this.
            Self::Disconnected { .. }
            | Self::Protocol { .. }
            | Self::KeepAlive { .. }
            | Self::OperationTimeout { .. } => (Transient, Fault::Recurring),
            Self::InvalidTopic { .. }
            | Self::InvalidFilter { .. }
            | Self::InvalidEndpoint { .. }
            | Self::InvalidProxy { .. }
            | Self::Limit { .. }
            | Self::NotMqtt { .. }
            | Self::PublishRefused { .. }
            | Self::SubscribeRefused { .. }
            | Self::UnsubscribeRefused { .. }
            | Self::Closed => (Permanent, Fault::Passing),
            // A server that closes the connection after CONNECT may be a front end that restarts, or AWS IoT Core before a
            // new policy is in force.
            _ => (Transient, Fault::Passing),
        }
    }
}

/// An alert is a refusal, except for those that report trouble of the server itself. Everything else may pass: a
/// handshake that breaks off may have any reason.
fn of_tls(source: &Cause) -> (Verdict, Fault) {
    use rustls::{AlertDescription as Alert, Error as TlsError};
    let io_error = source.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match source.downcast_ref().or_else(|| io_error?.downcast_ref()) {
        // The key does not belong to the certificate.
        Some(TlsError::AlertReceived(Alert::DecryptError)) => (Verdict::Permanent, Fault::Refused),
        Some(TlsError::AlertReceived(Alert::InternalError | Alert::UserCanceled | Alert::CloseNotify)) => {
            (Verdict::Transient, Fault::Passing)
        }
        Some(TlsError::AlertReceived(_) | TlsError::PeerIncompatible(_) | TlsError::InvalidMessage(_)) => {
            (Verdict::Permanent, Fault::Passing)
        }
        _ => (Verdict::Transient, Fault::Passing),
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
#[cfg(test)]
mod verdict_tests;
