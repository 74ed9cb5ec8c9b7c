//! What to try, by the server's reason or how far a connection got: the second half of an error message.

use std::{fmt, io};

use crate::Cause;

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
pub(crate) fn said(text: &Option<String>) -> String {
    text.iter().map(|text| format!(" (the server says: {})", Printable(text))).collect()
}

/// The request that was unanswered when the connection was lost: it may be the reason.
pub(crate) fn unanswered_hint(what: &Option<String>) -> String {
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
pub(crate) fn unreachable_hint(source: &Cause) -> &'static str {
    match source.downcast_ref::<io::Error>() {
        Some(error) if no_route(error.kind()) => {
            "this device has no route there: is its network up, and has it a default gateway?"
        }
        _ => "is the port right (8883, or 443), and does a firewall let it through?",
    }
}

/// What the server's alert about the device's certificate means.
pub(crate) fn certificate_hint(alert: &str) -> &'static str {
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

/// What to do about a disk that does not do its work.
pub(crate) fn disk_hint(cause: &crate::Cause) -> &'static str {
    use std::io::ErrorKind;
    match cause.downcast_ref().map(std::io::Error::kind) {
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
