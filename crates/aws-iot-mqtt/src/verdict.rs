//! Whether it makes sense to try again, and how soon.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Cause, Error, ReasonCode, Stage};

/// Whether what failed may work the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass by itself: a network that is away, a chip that was busy, a server that restarts.
    Transient,
    /// Somebody probably has to change something: a policy, a certificate, a key. A running client still tries again, see [`Reconnect`](crate::Reconnect).
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
    /// The next connection will probably end for the same reason: the server said why it ended this one (DISCONNECT), somebody
    /// broke the protocol, or does not answer.
    Recurring,
    /// Another client has connected with the same client id.
    TakenOver,
    /// CONNECT was not answered.
    NoConnAck,
    /// The server's certificate did not pass the check.
    ServerNotTrusted,
    /// The server refuses this client, its certificate or its policy.
    Refused,
    /// The signer's error may pass: the key is away for a moment, as a chip that lost its power is.
    SignerAway,
    /// The signer's error will not pass, says the application.
    SignerRefused,
    /// No attempt of this process can succeed, says the application.
    Final,
}

impl Fault {
    /// Whether an acknowledgement on the connection says nothing about the next connection.
    pub(crate) fn recurs(self) -> bool {
        matches!(self, Self::Recurring | Self::TakenOver)
    }

    /// The longest delay after this fault, where it is shorter than the policy's own.
    pub(crate) fn longest_delay(self) -> Duration {
        match self {
            // AWS IoT Device Advisor withholds CONNACK and wants to see 12 attempts within 300 s. An attempt waits 10 s.
            Self::NoConnAck => Duration::from_secs(20),
            // Such an attempt ends before the key signs, so it costs little.
            Self::ServerNotTrusted => Duration::from_secs(15),
            // The key is looked for meanwhile, and is often back within seconds. Such an attempt ends before CONNECT.
            Self::SignerAway => Duration::from_secs(5),
            // A device that replaces another one should not be offline for long; two that fight should not do so quickly.
            Self::TakenOver => Duration::from_secs(30),
            _ => Duration::MAX,
        }
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
        match error {
            Error::Signer { source, .. } => match (self.0)(&**source) {
                Verdict::Transient => Fault::SignerAway,
                Verdict::Permanent => Fault::SignerRefused,
                Verdict::Final => Fault::Final,
            },
            Error::ServerNotTrusted { .. } | Error::Clock { .. } => Fault::ServerNotTrusted,
            Error::ConnectTimeout { stage: Stage::Mqtt, .. } => Fault::NoConnAck,
            Error::CertificateRefused { .. } => Fault::Refused,
            Error::ConnectRefused { reason, .. } if reason.refuses_client() => Fault::Refused,
            Error::Tls { source, .. } if refuses_signature(source) => Fault::Refused,
            Error::Disconnected { reason: ReasonCode::SESSION_TAKEN_OVER, .. } => Fault::TakenOver,
            // With the keep alive and the time-out of an ordinary connection, it was stable before it ended like this.
            Error::Disconnected { .. }
            | Error::Protocol { .. }
            | Error::KeepAlive { .. }
            | Error::OperationTimeout { .. } => Fault::Recurring,
            _ => Fault::Passing,
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
    /// Whether it may work the next time. For [`Error::Signer`] this is always [`Verdict::Transient`]: only the application
    /// knows its signer's errors, see [`Builder::classify_signer_errors`](crate::Builder::classify_signer_errors).
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::ConnectRefused { reason, .. } if reason.refuses_client() => Verdict::Permanent,
            Self::Disconnected { reason, .. } if reason.blames_client() => Verdict::Permanent,
            Self::Tls { source, .. } => of_tls(source),
            Self::InvalidTopic { .. }
            | Self::InvalidFilter { .. }
            | Self::InvalidEndpoint { .. }
            | Self::InvalidProxy { .. }
            | Self::Limit { .. }
            | Self::ServerNotTrusted { .. }
            | Self::NotMqtt { .. }
            | Self::CertificateRefused { .. }
            | Self::PublishRefused { .. }
            | Self::SubscribeRefused { .. }
            | Self::UnsubscribeRefused { .. }
            | Self::Closed => Verdict::Permanent,
            // A wrong clock is set by the network's time, once there is a network. A server that closes the connection after
            // CONNECT may be a front end that restarts, or AWS IoT Core before a new policy is in force.
            _ => Verdict::Transient,
        }
    }
}

fn tls_error(source: &Cause) -> Option<&rustls::Error> {
    let io_error = source.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    source.downcast_ref().or_else(|| io_error?.downcast_ref())
}

/// The alert that says that the key does not belong to the certificate.
fn refuses_signature(source: &Cause) -> bool {
    matches!(tls_error(source), Some(rustls::Error::AlertReceived(rustls::AlertDescription::DecryptError)))
}

/// An alert is a refusal, except for those that report trouble of the server itself. Everything else may pass: a handshake
/// that breaks off may have any reason.
fn of_tls(source: &Cause) -> Verdict {
    use rustls::{AlertDescription as Alert, Error as TlsError};
    match tls_error(source) {
        Some(TlsError::AlertReceived(Alert::InternalError | Alert::UserCanceled | Alert::CloseNotify)) => {
            Verdict::Transient
        }
        Some(TlsError::AlertReceived(_) | TlsError::PeerIncompatible(_) | TlsError::InvalidMessage(_)) => {
            Verdict::Permanent
        }
        _ => Verdict::Transient,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

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
            ("no CONNACK", timeout(Stage::Mqtt), Fault::NoConnAck),
            ("no answer in the handshake", timeout(Stage::Tls), Fault::Passing),
            ("taken over", disconnected(ReasonCode::SESSION_TAKEN_OVER), Fault::TakenOver),
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
                Fault::ServerNotTrusted,
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
            (Verdict::Transient, Fault::SignerAway),
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
