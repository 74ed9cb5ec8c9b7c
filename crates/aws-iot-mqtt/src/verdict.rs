//! Whether it makes sense to try again, and how soon.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use crate::{Cause, Error, ReasonCode, Stage};

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
#[derive(Clone)]
pub(crate) struct Classifier(Arc<Classify>);

type Classify = dyn Fn(&(dyn StdError + 'static)) -> Verdict + Send + Sync;

impl Classifier {
    pub(crate) fn new(
        classify: impl Fn(&(dyn StdError + 'static)) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(classify))
    }

    /// What decides how soon the next attempt follows.
    pub(crate) fn fault(&self, error: &Error) -> Fault {
        let Error::Signer { source, .. } = error else { return error.judge().1 };
        match (self.0)(&**source) {
            Verdict::Transient => Fault::SIGNER_AWAY,
            Verdict::Permanent => Fault::SignerRefused,
            Verdict::Final => Fault::Final,
        }
    }
}

impl Default for Classifier {
    /// Every error of the signer may pass: this crate does not know the chip.
    fn default() -> Self {
        Self::new(|_| Verdict::Transient)
    }
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Classifier")
    }
}

impl Error {
    /// Whether it may work the next time. For [`Error::Signer`] this is always [`Verdict::Transient`]: only the
    /// application knows its signer's errors, see
    /// [`Builder::classify_signer_errors`](crate::Builder::classify_signer_errors).
    pub fn verdict(&self) -> Verdict {
        self.judge().0
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

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, Error as TlsError, InvalidMessage, PeerIncompatible};

    use super::*;

    fn tls(source: Cause) -> Error {
        Error::Tls { endpoint: "host:8883".to_owned(), why: "", source }
    }

    #[test]
    fn faults_that_decide_the_pace() {
        let disconnected = |reason| Error::Disconnected { client_id: "d".to_owned(), reason, text: None };
        let (endpoint, client_id, after) = ("h:1".to_owned(), "d".to_owned(), Duration::ZERO);
        let closed = Cause::new(io::Error::from(io::ErrorKind::UnexpectedEof));
        let refused = |reason| Error::ConnectRefused {
            endpoint: endpoint.clone(),
            client_id: client_id.clone(),
            reason,
            text: None,
        };
        let timeout = |stage| Error::ConnectTimeout { endpoint: endpoint.clone(), stage, after };
        for (case, error, expected) in [
            (
                "closed after CONNECT",
                Error::ClosedAfterConnect {
                    endpoint: endpoint.clone(),
                    client_id: client_id.clone(),
                    source: closed.clone(),
                },
                Fault::Passing,
            ),
            ("CONNACK: not authorized", refused(ReasonCode::NOT_AUTHORIZED), Fault::Refused),
            ("CONNACK: unspecified", refused(ReasonCode::UNSPECIFIED_ERROR), Fault::Passing),
            ("no CONNACK", timeout(Stage::Mqtt), Fault::NO_CONNACK),
            ("no answer in the handshake", timeout(Stage::Tls), Fault::Passing),
            ("taken over", disconnected(ReasonCode::SESSION_TAKEN_OVER), Fault::TAKEN_OVER),
            ("denied", disconnected(ReasonCode::NOT_AUTHORIZED), Fault::Recurring),
            ("moved", disconnected(ReasonCode(0x9D)), Fault::Recurring),
            ("maximum connect time", disconnected(ReasonCode(0xA0)), Fault::Recurring),
            ("busy", disconnected(ReasonCode(0x89)), Fault::Recurring),
            ("no PINGRESP", Error::KeepAlive { after }, Fault::Recurring),
            ("malformed", Error::Protocol { source: closed.clone() }, Fault::Recurring),
            (
                "wrong key",
                tls(Cause::new(TlsError::AlertReceived(AlertDescription::DecryptError))),
                Fault::Refused,
            ),
            (
                "wrong clock",
                Error::Clock { endpoint: endpoint.clone(), why: String::new() },
                Fault::SERVER_NOT_TRUSTED,
            ),
            (
                "an HTTP server",
                Error::NotMqtt { endpoint: endpoint.clone(), answer: String::new() },
                Fault::Passing,
            ),
        ] {
            assert_eq!(Classifier::default().fault(&error), expected, "{case}");
        }
        let signer = || Error::Signer { endpoint: endpoint.clone(), source: closed.clone() };
        for (verdict, expected) in [
            (Verdict::Transient, Fault::SIGNER_AWAY),
            (Verdict::Permanent, Fault::SignerRefused),
            (Verdict::Final, Fault::Final),
        ] {
            assert_eq!(Classifier::new(move |_| verdict).fault(&signer()), expected);
        }
    }

    #[test]
    fn what_may_pass_and_what_stays() {
        use Verdict::{Permanent, Transient};
        let alert = |alert| tls(Cause::new(TlsError::AlertReceived(alert)));
        let incompatible = TlsError::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon);
        let disconnected = |reason| Error::Disconnected { client_id: "d".to_owned(), reason, text: None };
        let resolve = io::Error::from(io::ErrorKind::NotFound);
        for (case, error, expected) in [
            ("wrong key", alert(AlertDescription::DecryptError), Permanent),
            ("no MQTT there", alert(AlertDescription::NoApplicationProtocol), Permanent),
            ("trouble of the server's", alert(AlertDescription::InternalError), Transient),
            ("nothing in common", tls(Cause::new(io::Error::other(incompatible))), Permanent),
            (
                "no TLS",
                tls(Cause::new(TlsError::InvalidMessage(InvalidMessage::InvalidContentType))),
                Permanent,
            ),
            ("broken off", tls(Cause::new(io::Error::from(io::ErrorKind::UnexpectedEof))), Transient),
            ("taken over", disconnected(ReasonCode::SESSION_TAKEN_OVER), Permanent),
            ("not authorized", disconnected(ReasonCode::NOT_AUTHORIZED), Permanent),
            ("unspecified", disconnected(ReasonCode::UNSPECIFIED_ERROR), Transient),
            ("maximum connect time", disconnected(ReasonCode(0xA0)), Transient),
            ("no name", Error::Resolve { endpoint: "h".to_owned(), source: Cause::new(resolve) }, Transient),
            ("silence", Error::KeepAlive { after: std::time::Duration::ZERO }, Transient),
        ] {
            assert_eq!(error.verdict(), expected, "{case}");
        }
    }
}
