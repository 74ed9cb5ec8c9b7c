//! Whether it makes sense to try again.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::{Cause, Error, ReasonCode};

/// Whether what failed may work the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass: a network that is away, a chip that was busy.
    Transient,
    /// It stays until somebody changes something: a policy, a certificate, a key. The client tries again as
    /// [`Reconnect::after_refusals`](crate::Reconnect::after_refusals) says.
    Permanent,
    /// No attempt of this process can succeed, whatever somebody changes: the client gives up at once. Only for
    /// [`Builder::classify_signer_errors`](crate::Builder::classify_signer_errors) to say, of a key that only a new
    /// process can use again.
    Final,
}

/// What the application knows of its signer's errors.
#[derive(Clone)]
pub(crate) struct Classifier(Arc<Classify>);

type Classify = dyn Fn(&(dyn StdError + 'static)) -> Verdict + Send + Sync;

impl Classifier {
    pub(crate) fn new(
        classify: impl Fn(&(dyn StdError + 'static)) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(classify))
    }

    pub(crate) fn judge(&self, error: &Error) -> Verdict {
        match error {
            Error::Signer { source, .. } => (self.0)(&**source),
            other => other.verdict(),
        }
    }
}

impl Default for Classifier {
    /// A signature that failed is tried again: this crate does not know the chip.
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
    /// Whether it may work the next time. For [`Error::Signer`] the answer is that it may: whoever knows the signer
    /// knows better, see [`Builder::classify_signer_errors`](crate::Builder::classify_signer_errors).
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::ConnectRefused { reason, .. } | Self::Disconnected { reason, .. } => of_reason(*reason),
            Self::Tls { source, .. } => of_tls(source),
            Self::InvalidTopic { .. }
            | Self::InvalidFilter { .. }
            | Self::InvalidEndpoint { .. }
            | Self::InvalidProxy { .. }
            | Self::Limit { .. }
            | Self::ServerNotTrusted { .. }
            | Self::NotTls { .. }
            | Self::CertificateRefused { .. }
            | Self::ClosedAfterConnect { .. }
            | Self::PublishRefused { .. }
            | Self::SubscribeRefused { .. }
            | Self::UnsubscribeRefused { .. }
            | Self::Closed => Verdict::Permanent,
            // A clock that is wrong is put right by the network's time, once there is a network.
            _ => Verdict::Transient,
        }
    }
}

fn of_reason(reason: ReasonCode) -> Verdict {
    match reason.code() {
        // Version, client id, credentials, policy, ban, authentication method, and another client of the same id.
        0x84..=0x87 | 0x8A | 0x8C => Verdict::Permanent,
        _ if reason == ReasonCode::SESSION_TAKEN_OVER => Verdict::Permanent,
        _ => Verdict::Transient,
    }
}

/// A refusal of the server's stays, but for those that say that the server itself is in trouble; a handshake that broke
/// off may have had any reason.
fn of_tls(source: &Cause) -> Verdict {
    use rustls::{AlertDescription as Alert, Error as TlsError};
    let io_error = source.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match source.downcast_ref().or_else(|| io_error?.downcast_ref()) {
        Some(TlsError::AlertReceived(Alert::InternalError | Alert::UserCanceled | Alert::CloseNotify)) => {
            Verdict::Transient
        }
        Some(TlsError::AlertReceived(_) | TlsError::PeerIncompatible(_)) => Verdict::Permanent,
        _ => Verdict::Transient,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustls::{AlertDescription, Error as TlsError, PeerIncompatible};

    use super::*;

    fn tls(source: Cause) -> Error {
        Error::Tls { endpoint: "host:8883".to_owned(), why: "", source }
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
            ("broken off", tls(Cause::new(io::Error::from(io::ErrorKind::UnexpectedEof))), Transient),
            ("taken over", disconnected(ReasonCode::SESSION_TAKEN_OVER), Permanent),
            ("not authorized", disconnected(ReasonCode::NOT_AUTHORIZED), Permanent),
            ("unspecified", disconnected(ReasonCode::UNSPECIFIED_ERROR), Transient),
            ("no name", Error::Resolve { endpoint: "h".to_owned(), source: Cause::new(resolve) }, Transient),
            ("silence", Error::KeepAlive { after: std::time::Duration::ZERO }, Transient),
        ] {
            assert_eq!(error.verdict(), expected, "{case}");
        }
    }
}
