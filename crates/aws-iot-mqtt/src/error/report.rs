//! How an error is told: its causes on one line, and what to try, as the second half of its message.

use std::error::Error as StdError;
use std::ops::Deref;
use std::sync::Arc;
use std::{fmt, io};

use crate::Error;

/// The cause of an [`Error`]. [`std::error::Error::source`] gives the original error, ready for a downcast.
///
/// Shared, because one lost connection fails every call that waits for an answer on it.
#[derive(Debug, Clone)]
pub struct Cause(Arc<dyn StdError + Send + Sync>);

impl Cause {
    pub(crate) fn new(error: impl StdError + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    pub(crate) fn shared(error: Arc<dyn StdError + Send + Sync>) -> Self {
        Self(error)
    }
}

// `Cause` itself is no `Error`: thiserror then takes the target of `Deref` as the source, so that a chain of causes does
// not show the same line twice.
impl Deref for Cause {
    type Target = dyn StdError + Send + Sync;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

impl Error {
    /// This error and everything behind it, on one line, for logs and for people: `the connection was lost: the server
    /// broke the MQTT 5 protocol: ...`. [`Display`](fmt::Display) of the error itself leaves the causes out, since
    /// [`source`](StdError::source) gives them.
    pub fn report(&self) -> String {
        let mut said = self.to_string();
        let mut line = Printable(&said).to_string();
        let mut next = self.source();
        while let Some(cause) = next {
            let words = cause.to_string();
            // Some errors repeat their cause's words.
            if !said.contains(&words) {
                line.push_str(": ");
                line.push_str(&Printable(&words).to_string());
                said = words;
            }
            next = cause.source();
        }
        line
    }
}

/// How far a connection got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The name is being resolved.
    Resolve,
    /// A TCP connection is being made.
    Tcp,
    /// The proxy is reached, or asked for a tunnel.
    Proxy,
    /// The TLS handshake is under way: the device's signature is made here.
    Tls,
    /// CONNECT was sent, CONNACK has not come.
    Mqtt,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving the name (is a DNS server reached?)",
            Self::Tcp => "the TCP connection (does a firewall swallow it?)",
            Self::Proxy => "the proxy (is it reached, and does it answer?)",
            Self::Tls => "the TLS handshake (does the key's chip answer, and is it the TLS port?)",
            Self::Mqtt => "waiting for the answer to CONNECT",
        })
    }
}

/// Text that somebody else wrote, on one line: control characters are escaped.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|one| match one.is_control() {
            true => write!(f, "{}", one.escape_default()),
            false => write!(f, "{one}"),
        })
    }
}

/// The server's own words, in brackets.
pub(super) fn said(text: &Option<String>) -> String {
    text.iter().map(|text| format!(" (the server says: {})", Printable(text))).collect()
}

/// The request that was unanswered when the connection was lost: it may be the reason.
pub(super) fn unanswered_hint(what: &Option<String>) -> String {
    let words =
        |what| format!(" while {what} was unanswered: a policy that does not allow it may end like this");
    what.iter().map(words).collect()
}

/// The device has no route to that address.
pub(crate) fn no_route(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as Kind;
    matches!(kind, Kind::NetworkUnreachable | Kind::HostUnreachable | Kind::NetworkDown)
}

/// What to check when no TCP connection can be made.
pub(super) fn unreachable_hint(source: &Cause) -> &'static str {
    match source.downcast_ref::<io::Error>() {
        Some(error) if no_route(error.kind()) => {
            "this device has no route there: is its network up, and has it a default gateway?"
        }
        _ => "is the port right (8883, or 443), and does a firewall let it through?",
    }
}

/// What the server's alert about the device's certificate means.
pub(super) fn certificate_hint(alert: &str) -> &'static str {
    match alert {
        "CertificateExpired" => {
            "by the server's clock it has expired, or is not valid yet; a device certificate cannot be prolonged, so \
             register the device with a new one"
        }
        "CertificateRevoked" => "it was revoked: activate it again, or register the device with another one",
        "CertificateRequired" | "NoCertificate" => {
            "none was sent: does the key's own certificate reach the client?"
        }
        _ => {
            "either it is not registered with this AWS account and region, or it is INACTIVE, or the endpoint belongs \
             to another account, or it has expired"
        }
    }
}

/// What to do about a disk that does not do its work.
pub(super) fn disk_hint(cause: &Cause) -> &'static str {
    use io::ErrorKind;
    match cause.downcast_ref().map(io::Error::kind) {
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => ": the disk is full, make room on it",
        Some(ErrorKind::ReadOnlyFilesystem) => {
            ": the file system is read-only; choose another directory, or see dmesg: the kernel may have made it so after \
             an error of the disk"
        }
        Some(ErrorKind::PermissionDenied) => ": this user may not write there",
        Some(ErrorKind::NotADirectory | ErrorKind::AlreadyExists) => ": that is no directory",
        _ => "",
    }
}

/// What may be wrong with a request that ended each connection.
pub(super) fn given_up_hint(last: &Error) -> &'static str {
    match last {
        // Of those, the cause says what is wrong.
        Error::Protocol { .. } | Error::OperationTimeout { .. } => "",
        _ => {
            "; most likely the policy does not allow it (iot:Publish on topic/TOPIC, iot:Subscribe on \
             topicfilter/FILTER, iot:RetainPublish)"
        }
    }
}

/// Whether an expired message may have arrived.
pub(super) fn expired_when(sent: bool) -> &'static str {
    if sent { "before the server acknowledged it, so it may have arrived" } else { "before it could be sent" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_every_cause_once() {
        let cause = nested("packet", Some(nested("topic is not UTF-8", None)));
        let error = Error::Protocol { source: Cause::new(cause) };
        assert_eq!(
            error.report().to_string(),
            "the server broke the MQTT 5 protocol: packet: topic is not UTF-8"
        );
        let repeated = nested("packet: nothing there", Some(nested("nothing there", None)));
        let error = Error::Protocol { source: Cause::new(io::Error::other(repeated)) };
        assert_eq!(error.report().to_string(), "the server broke the MQTT 5 protocol: packet: nothing there");
    }

    #[test]
    fn control_characters_of_others_stay_out_of_the_log() {
        let topic = Error::InvalidTopic { topic: "a\0b\u{1b}[2Jも".to_owned(), why: "x" };
        assert_eq!(topic.to_string(), "'a\\u{0}b\\u{1b}[2Jも' is not a topic to publish to: x");
        let error = Error::Protocol { source: Cause::new(nested("two\nlines", None)) };
        assert_eq!(error.report().to_string(), "the server broke the MQTT 5 protocol: two\\nlines");
    }

    #[derive(Debug)]
    struct Nested(&'static str, Option<Box<Self>>);

    fn nested(words: &'static str, source: Option<Nested>) -> Nested {
        Nested(words, source.map(Box::new))
    }

    impl fmt::Display for Nested {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl StdError for Nested {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.1.as_deref().map(|source| source as _)
        }
    }
}
