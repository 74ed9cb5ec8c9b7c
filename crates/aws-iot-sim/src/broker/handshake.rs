//! Accepting connections: TCP, TLS, and then a session.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connect;
use super::counters::Counters;
use super::hub::Hub;
use super::transport::Transport;
use crate::faults::ActiveFaults;
use crate::registry::{CertificateId, Registry, certificate_id};
use crate::tls::Authority;

/// How long a client may take for its TLS handshake: a chip that hangs must not be cut off sooner than by AWS.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// How long a refused client gets to read the alert.
const REFUSING: Duration = Duration::from_secs(2);

/// How often a free port is sought that is free for IPv6, too.
const PORT_ATTEMPTS: usize = 20;

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Broker {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) registry: Arc<Registry>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) faults: Arc<ActiveFaults>,
    pub(crate) authority: Arc<Authority>,
}

/// Listens on 127.0.0.1 and, where the machine has IPv6, on the same port of ::1: `localhost` may mean either.
pub(crate) async fn listen(port: u16) -> io::Result<Vec<TcpListener>> {
    for _ in 0..PORT_ATTEMPTS {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        match TcpListener::bind((Ipv6Addr::LOCALHOST, first.local_addr()?.port())).await {
            Ok(second) => return Ok(vec![first, second]),
            // Somebody else's port under the same name would be a trap for clients that try IPv6 first.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && port == 0 => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(_) => return Ok(vec![first]),
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

impl Broker {
    /// Accepts connections for ever.
    pub(crate) async fn serve(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    tokio::spawn(self.clone().connection(stream, peer));
                }
                Err(error) => {
                    // Usually no file descriptor is left: wait until connections end.
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr) {
        if let Some((stream, certificate)) = self.handshake(stream, peer).await {
            let transport = Transport::new(stream, Arc::clone(&self.faults));
            connect::serve(self, transport, certificate, peer).await;
        }
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<(TlsStream<TcpStream>, CertificateId)> {
        // Without it each small exchange waits for Nagle's algorithm and the delayed ACK.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "TCP_NODELAY cannot be set");
        }
        let accepted = timeout(HANDSHAKE, self.acceptor.accept(stream).into_fallible()).await;
        let stream = match accepted {
            Ok(Ok(stream)) => stream,
            Ok(Err((error, stream))) => {
                self.counters.handshakes_refused.add();
                tracing::warn!(%peer, reason = %innermost(&error), "refused in the TLS handshake");
                drain(stream).await;
                return None;
            }
            Err(_) => {
                self.counters.handshakes_refused.add();
                tracing::warn!(%peer, "refused: the TLS handshake took longer than {HANDSHAKE:?}");
                return None;
            }
        };
        let (_, connection) = stream.get_ref();
        let certificate = connection.peer_certificates().and_then(<[CertificateDer<'_>]>::first);
        let certificate = certificate_id(certificate?);
        let version = connection.protocol_version();
        tracing::info!(%peer, %certificate, ?version, "TLS handshake done");
        Some((stream, certificate))
    }
}

/// Reads what a refused client still sends: closing with unread bytes would reset the connection, and the client
/// might lose the alert.
async fn drain(mut stream: TcpStream) {
    let mut unread = [0_u8; 1024];
    let all = async {
        tokio::io::AsyncWriteExt::shutdown(&mut stream).await?;
        while stream.read(&mut unread).await? != 0 {}
        io::Result::Ok(())
    };
    // A client that keeps the connection open is cut off by the time-out.
    let _ = timeout(REFUSING, all).await;
}

/// The innermost cause, or the registry's reason where the registry refused the certificate.
fn innermost(error: &io::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        if let rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) = tls {
            return other.0.to_string();
        }
        reason = tls;
    }
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}
