//! From a name to a session: dial, TLS, CONNECT, and then the loop that moves the bytes.

mod dial;
mod driver;
mod supervisor;
mod thread;
mod tls;

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tracing::{info, warn};

pub(crate) use self::dial::{dial, resolve};
pub(crate) use self::thread::{CloseOnDrop, Shared, died, start};
pub use self::tls::amazon;
pub(crate) use self::tls::with_alpn;
use crate::codec::{ProtocolError, decode};
use crate::session::Negotiated;
use crate::{Builder, Cause, Error, Stage};

/// How long CONNACK may take (AWS IoT Core's own time-out for CONNECT after the handshake is of this order, and AWS IoT
/// Device Advisor's back-off tests fit their 300 s with it).
const CONNACK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long DISCONNECT may take, and the server's last words.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Most bytes that wait in TLS's own buffer: two records (RFC 8446, section 5.1).
const TLS_BUFFER: usize = 32 * 1024;

/// A connection that the server has accepted.
struct Established {
    stream: TlsStream<TcpStream>,
    negotiated: Negotiated,
    /// What came right behind CONNACK.
    received: BytesMut,
}

/// What one attempt to connect depends on.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    /// No connection of this client was accepted before.
    first: bool,
    /// The server has claimed a session in answer to a clean start before. MQTT 5 (section 3.2.2.1.1) wants the connection
    /// closed, which is done once; a device that stays offline over it is of no use.
    ignore_session_present: bool,
}

/// Connects. The connect timeout covers everything from the name to the TLS handshake; CONNACK has a time-out of its own,
/// so that a chip that needs seconds to sign does not shorten it.
async fn establish(settings: &Builder, attempt: Attempt) -> Result<Established, Error> {
    let stage = Cell::new(Stage::Resolve);
    let timed_out = |stage, after| Error::ConnectTimeout { endpoint: settings.server(), stage, after };
    let mut stream = timeout(settings.connect_timeout, open(settings, &stage))
        .await
        .unwrap_or_else(|_| Err(timed_out(stage.get(), settings.connect_timeout)))?;
    // What is in TLS's buffer is ahead of a ping.
    stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
    // Room for the whole answer, also that of an HTTP server, whose first line is shown.
    let mut received = BytesMut::with_capacity(4096);
    let negotiated = timeout(CONNACK_TIMEOUT, log_in(settings, attempt, &mut stream, &mut received))
        .await
        .unwrap_or_else(|_| Err(timed_out(Stage::Mqtt, CONNACK_TIMEOUT)));
    if let Err(error @ Error::Protocol { .. }) = &negotiated {
        let reason = ProtocolError::of(error).map_or(0x82, |one| one.reason);
        // It does not matter whether the server gets it: the connection is closed.
        let _ = timeout(DISCONNECT_TIMEOUT, async {
            stream.write_all(&[0xE0, 1, reason]).await?;
            stream.shutdown().await
        })
        .await;
    }
    let negotiated = negotiated?;
    let version = stream.get_ref().1.protocol_version();
    info!(tls = ?version, keep_alive = ?negotiated.keep_alive, "connected");
    Ok(Established { stream, negotiated, received })
}

async fn open(settings: &Builder, stage: &Cell<Stage>) -> Result<TlsStream<TcpStream>, Error> {
    let socket = match &settings.proxy {
        Some(proxy) => {
            stage.set(Stage::Proxy);
            proxy.connect(&settings.endpoint, settings.port).await?
        }
        None => {
            let addresses = resolve(&settings.endpoint, settings.port).await?;
            stage.set(Stage::Tcp);
            dial(addresses, &settings.server()).await?
        }
    };
    stage.set(Stage::Tls);
    let server_name = settings.server_name()?;
    tls::handshake(Arc::clone(&settings.tls), server_name, socket, &settings.server()).await
}

/// CONNECT and its answer.
async fn log_in(
    settings: &Builder,
    attempt: Attempt,
    stream: &mut TlsStream<TcpStream>,
    received: &mut BytesMut,
) -> Result<Negotiated, Error> {
    let Builder { connect, limits, .. } = settings;
    let mut out = BytesMut::new();
    connect
        .packet(limits, attempt.first)
        .write(&mut out, None)
        .map_err(|error| Error::Protocol { source: Cause::new(error) })?;
    // A server that refuses us hangs up, so that writing may fail; why it did is there to be read.
    let written = async {
        stream.write_all(&out).await?;
        stream.flush().await
    };
    let written = written.await;
    loop {
        refuse_http(received, &settings.server())?;
        if let Some(packet) = decode(received, limits.maximum_packet_size)? {
            let mut negotiated = Negotiated::from_answer(packet, &settings.server(), connect, limits)?;
            if negotiated.session_present && connect.starts_clean(attempt.first) {
                if !attempt.ignore_session_present {
                    return Err(ProtocolError::SESSION_PRESENT.into());
                }
                warn!("the server claims an earlier session again; everything is subscribed to anew");
                negotiated.session_present = false;
            }
            return Ok(negotiated);
        }
        let error = match stream.read_buf(received).await {
            Ok(1..) => continue,
            Ok(0) => written.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()),
            Err(error) => error,
        };
        // TLS 1.3 tells only now that the client's certificate is refused.
        return Err(tls::alert(&error, &settings.server()).unwrap_or_else(|| Error::ClosedAfterConnect {
            endpoint: settings.server(),
            client_id: connect.client_id.clone(),
            source: tls::in_words(error),
        }));
    }
}

/// Fails where the answer to CONNECT is HTTP: AWS IoT Core answers on port 443 like this where ALPN did not ask for MQTT.
pub(crate) fn refuse_http(received: &[u8], endpoint: &str) -> Result<(), Error> {
    if !received.starts_with(b"HTTP/") {
        return Ok(());
    }
    let text = String::from_utf8_lossy(received);
    let answer =
        text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(100).collect();
    Err(Error::NotMqtt { endpoint: endpoint.to_owned(), answer })
}
