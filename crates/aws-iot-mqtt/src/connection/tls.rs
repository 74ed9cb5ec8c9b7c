//! TLS: whom to trust, the handshake, and what its failures mean. On port 443, ALPN asks the server for MQTT.

#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use der::DateTime;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error as TlsError, RootCertStore};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{Cause, Error};

/// The port that most firewalls allow. AWS IoT Core serves HTTP and MQTT there, and ALPN selects the protocol (AWS IoT Core
/// developer guide, "Device communication protocols").
const HTTPS_PORT: u16 = 443;
/// MQTT with a client certificate on port 443 (same page).
const ALPN: &[u8] = b"x-amzn-mqtt-ca";

/// The last part of the five roots' subjects in DER: their common name.
const AMAZON: [&str; 5] = [
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Services Root Certificate Authority - G2",
];

/// The roots that AWS tells its users to trust ("Server authentication" in the AWS IoT Core developer guide), and no
/// others. Numbers 1 (RSA) and 3 (EC) are in use; the others are reserved.
///
/// | root | SHA-256 of the certificate |
/// |---|---|
/// | Amazon Root CA 1 | `8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e` |
/// | Amazon Root CA 2 | `1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4` |
/// | Amazon Root CA 3 | `18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4` |
/// | Amazon Root CA 4 | `e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092` |
/// | Starfield Services Root Certificate Authority - G2 | `568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5` |
///
/// They are taken from the `webpki-roots` crate, which is Mozilla's list.
pub fn amazon() -> RootCertStore {
    let anchors = webpki_roots::TLS_SERVER_ROOTS.iter();
    RootCertStore {
        roots: anchors
            .filter(|anchor| AMAZON.iter().any(|name| anchor.subject.ends_with(name.as_bytes())))
            .cloned()
            .collect(),
    }
}

pub(crate) fn with_alpn(tls: Arc<ClientConfig>, port: u16) -> Arc<ClientConfig> {
    if port != HTTPS_PORT || !tls.alpn_protocols.is_empty() {
        return tls;
    }
    let mut tls = Arc::unwrap_or_clone(tls);
    tls.alpn_protocols = vec![ALPN.to_vec()];
    Arc::new(tls)
}

/// The handshake with `server`, on a thread of its own for as long as it lasts: rustls asks for the signature synchronously,
/// and a chip may take minutes to fail. The session's own thread keeps its timers meanwhile, so the connect timeout holds.
pub(super) async fn handshake(
    tls: Arc<ClientConfig>,
    server_name: ServerName<'static>,
    socket: TcpStream,
    server: &str,
) -> Result<TlsStream<TcpStream>, Error> {
    check_clock(SystemTime::now(), server)?;
    let runtime = Handle::current();
    // Dropped when nobody waits any more: the thread then stops as soon as the key lets it go.
    let (_waiting, abandoned) = oneshot::channel::<()>();
    let handshake = spawn_blocking(move || {
        runtime.block_on(async {
            tokio::select! {
                stream = TlsConnector::from(tls).connect(server_name, socket) => stream,
                _ = abandoned => Err(io::ErrorKind::TimedOut.into()),
            }
        })
    });
    match handshake.await {
        Ok(result) => result.map_err(|error| handshake_error(error, server)),
        Err(panicked) => Err(Error::Tls {
            endpoint: server.to_owned(),
            why: "its thread panicked, in the TLS library or in the key's code: this is a fault of this program",
            source: Cause::new(panicked),
        }),
    }
}

/// Says what a failed handshake with `server` means.
pub(super) fn handshake_error(error: io::Error, server: &str) -> Error {
    if let Some(error) = alert(&error, server) {
        return error;
    }
    let endpoint = server.to_owned();
    let why = match tls_error(&error) {
        // The signer's own error, unwrapped: rustls hides it from `source()`.
        Some(TlsError::Other(other)) => {
            return Error::Signer { endpoint, source: Cause::shared(Arc::clone(&other.0)) };
        }
        Some(TlsError::InvalidCertificate(verdict)) => {
            return match clock(verdict) {
                Some(why) => Error::Clock { endpoint, why },
                None => {
                    Error::ServerNotTrusted { endpoint, why: distrust(verdict), source: Cause::new(error) }
                }
            };
        }
        Some(TlsError::InvalidMessage(_)) => {
            "what answers there does not speak TLS (MQTT over TLS is on port 8883, or 443)"
        }
        Some(TlsError::PeerIncompatible(_)) => {
            "the server and this client have no TLS version or algorithm in common"
        }
        Some(_) => "the TLS library gave up",
        None => "the server hung up in the middle: is it the TLS port (8883, or 443)?",
    };
    Error::Tls { endpoint, why, source: Cause::new(error) }
}

/// What the server's TLS alert means, if `error` is one. Under TLS 1.3 the verdict on the client's certificate comes
/// after the handshake, with the first read.
pub(super) fn alert(error: &io::Error, server: &str) -> Option<Error> {
    let Some(TlsError::AlertReceived(alert)) = tls_error(error) else { return None };
    use AlertDescription as A;
    let (endpoint, source) = (server.to_owned(), Cause::new(TlsError::AlertReceived(*alert)));
    let why = match alert {
        A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::UnknownCA
        | A::AccessDenied
        | A::CertificateRequired
        | A::NoCertificate => {
            return Some(Error::CertificateRefused { endpoint, alert: format!("{alert:?}"), source });
        }
        A::DecryptError => {
            "the server says that a signature is wrong: do key and certificate belong together, and did the authority \
             that the server knows issue the certificate?"
        }
        A::HandshakeFailure => {
            "the server found no algorithm in common, or refuses this device's certificate without saying so"
        }
        A::ProtocolVersion => "the server does not speak this TLS version",
        A::UnrecognisedName => "the server does not know this endpoint's name",
        A::NoApplicationProtocol => "the server does not offer MQTT on this port (ALPN x-amzn-mqtt-ca)",
        _ => "the server ended it with an alert",
    };
    Some(Error::Tls { endpoint, why, source })
}

/// How a connection ended. Where the server closed it, with TLS's close_notify or without, rustls has no words for people.
pub(super) fn in_words(error: io::Error) -> Cause {
    Cause::new(match error.kind() {
        kind @ io::ErrorKind::UnexpectedEof => io::Error::new(kind, "the server closed the connection"),
        _ => error,
    })
}

fn tls_error(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

/// The object identifiers of sha1WithRSAEncryption (RFC 8017, appendix A.2.4) and ecdsa-with-SHA1 (RFC 5758, section 3.2), in DER.
const SHA1_SIGNATURES: [&[u8]; 2] =
    [&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x05], &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x01]];

fn distrust(verdict: &CertificateError) -> &'static str {
    use CertificateError as C;
    match verdict {
        // The latter: a root of that name is given, but it is not the one that signed.
        C::UnknownIssuer | C::BadSignature => {
            "none of the given root certificates has signed the server's certificate (AWS IoT Core's are signed by the \
             Amazon roots; is the CA file the right one, and does something on the way open up TLS?)"
        }
        C::NotValidForName | C::NotValidForNameContext { .. } => {
            "the server's certificate is for another name: is the endpoint spelt in full?"
        }
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => {
            "the server's certificate is not one for a TLS server (extended key usage)"
        }
        C::BadEncoding => "the server's certificate is damaged, or not an X.509 certificate",
        C::UnsupportedSignatureAlgorithmContext { signature_algorithm_id: algorithm, .. }
            if SHA1_SIGNATURES.iter().any(|oid| algorithm.windows(oid.len()).any(|bytes| bytes == *oid)) =>
        {
            "the server's certificate is signed with SHA-1, which is not safe any more: it needs one with SHA-256"
        }
        C::UnsupportedSignatureAlgorithmContext { .. }
        | C::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the server's certificate is signed with an algorithm that is not supported here"
        }
        C::Other(other) => match other.0.downcast_ref() {
            Some(webpki::Error::CaUsedAsEndEntity) => {
                "the server shows the certificate of an authority as its own (CA:TRUE): it needs one that the authority \
                 issued for a server"
            }
            Some(webpki::Error::UnsupportedCertVersion) => {
                "the server's certificate, or one of its chain, is of X.509 version 1: it needs one of version 3 (`openssl x509 \
                 -req` makes version 1 where -extfile is missing)"
            }
            _ => "the server's certificate does not pass the check",
        },
        _ => "the server's certificate does not pass the check",
    }
}

/// Where a clock may be right, in seconds since 1970: from 2025, when this crate was written, to the end of the century. A clock
/// that has lost its battery says 1970, one that has overflowed says 2106.
const PLAUSIBLE: Range<u64> = 1_735_689_600..4_102_444_800;

/// Fails where the clock is before 1970: rustls panics there.
pub(super) fn check_clock(now: SystemTime, endpoint: &str) -> Result<(), Error> {
    let wrong = |_| Error::Clock { endpoint: endpoint.to_owned(), why: clock_is_wrong("a time before 1970") };
    now.duration_since(SystemTime::UNIX_EPOCH).map(drop).map_err(wrong)
}

fn clock_is_wrong(clock: &str) -> String {
    format!(
        "this device's clock is wrong, it says {clock}: set the clock (is a time server reached?), since a certificate is \
         checked against it"
    )
}

/// When a certificate is valid and what the clock says, if that is what is wrong.
fn clock(verdict: &CertificateError) -> Option<String> {
    use CertificateError as C;
    let (validity, now) = match verdict {
        C::ExpiredContext { time, not_after } => (format!("until {}", date(*not_after)), *time),
        C::NotValidYetContext { time, not_before } => (format!("from {} on", date(*not_before)), *time),
        C::Expired => ("until an earlier time".to_owned(), UnixTime::now()),
        C::NotValidYet => ("from a later time on".to_owned(), UnixTime::now()),
        _ => return None,
    };
    let clock = date(now);
    if !PLAUSIBLE.contains(&now.as_secs()) {
        return Some(clock_is_wrong(&clock));
    }
    Some(format!(
        "its certificate is valid {validity}, but this device's clock says {clock}: set the clock (is a time server \
         reached?); if it is right, the server needs another certificate"
    ))
}

fn date(time: UnixTime) -> String {
    match DateTime::from_unix_duration(Duration::from_secs(time.as_secs())) {
        Ok(date) => format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
        Err(_) => "a time after the year 9999".to_owned(),
    }
}
