//! The TLS handshake. On port 443, ALPN asks the server for MQTT.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tls_errors::{check_clock, handshake_error};
use crate::{Cause, Error};

/// The port that most firewalls allow. AWS IoT Core serves HTTP and MQTT there, and ALPN selects the protocol (AWS IoT Core
/// developer guide, "Device communication protocols").
const HTTPS_PORT: u16 = 443;
/// MQTT with a client certificate on port 443 (same page).
const ALPN: &[u8] = b"x-amzn-mqtt-ca";

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

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration() -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(crate::roots::amazon()).with_no_client_auth())
    }

    #[test]
    fn alpn_is_set_on_443_only_on_a_copy_and_never_over_the_callers_own() {
        let given = configuration();
        assert_eq!(with_alpn(Arc::clone(&given), 443).alpn_protocols, [ALPN.to_vec()]);
        assert!(given.alpn_protocols.is_empty());
        assert!(with_alpn(given, 8883).alpn_protocols.is_empty());

        let mut own = ClientConfig::clone(&configuration());
        own.alpn_protocols = vec![b"mqtt".to_vec()];
        assert_eq!(with_alpn(Arc::new(own), 443).alpn_protocols, [b"mqtt".to_vec()]);
    }
}
