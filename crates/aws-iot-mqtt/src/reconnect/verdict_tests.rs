//! What each error means for the next attempt.

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
        assert_eq!(error.fault(|_| Verdict::Transient), expected, "{case}");
    }
    let signer = || Error::Signer { endpoint: endpoint.clone(), source: closed.clone() };
    for (classify, expected) in [
        ((|_| Verdict::Transient) as Classify, Fault::SIGNER_AWAY),
        (|_| Verdict::Permanent, Fault::SignerRefused),
        (|_| Verdict::Final, Fault::Final),
    ] {
        assert_eq!(signer().fault(classify), expected);
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
        ("no TLS", tls(Cause::new(TlsError::InvalidMessage(InvalidMessage::InvalidContentType))), Permanent),
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
