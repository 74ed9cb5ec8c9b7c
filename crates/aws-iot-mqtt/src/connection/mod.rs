//! From a name to a session: dial, TLS, CONNECT, and then the loop that moves the bytes.

mod dial;
mod driver;
mod thread;
mod tls;

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tracing::info;

pub(crate) use self::thread::start;
use crate::codec::decode;
use crate::session::{Granted, Session, connect_packet, protocol};
use crate::{Cause, Error, Limits, Stage};

/// What the builder has put together and checked.
pub(crate) struct Settings {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) endpoint: String,
    pub(crate) port: u16,
    pub(crate) server_name: ServerName<'static>,
    pub(crate) client_id: String,
    /// In seconds.
    pub(crate) keep_alive: u16,
    pub(crate) connect_timeout: Duration,
    pub(crate) limits: Arc<Limits>,
}

impl Settings {
    /// The server, as errors name it.
    fn server(&self) -> String {
        format!("{}:{}", self.endpoint, self.port)
    }
}

/// A connection that the server has agreed to.
struct Established {
    stream: TlsStream<TcpStream>,
    session: Session,
    /// What came right behind CONNACK.
    received: BytesMut,
}

/// Connects within the bound, which covers everything from the name to CONNACK.
async fn establish(settings: &Settings) -> Result<Established, Error> {
    let stage = Cell::new(Stage::Resolve);
    timeout(settings.connect_timeout, connect(settings, &stage)).await.unwrap_or_else(|_| {
        Err(Error::ConnectTimeout {
            endpoint: settings.server(),
            stage: stage.get(),
            after: settings.connect_timeout,
        })
    })
}

async fn connect(settings: &Settings, stage: &Cell<Stage>) -> Result<Established, Error> {
    let addresses = dial::resolve(&settings.endpoint, settings.port).await?;
    stage.set(Stage::Tcp);
    let socket = dial::dial(addresses, &settings.server()).await?;
    stage.set(Stage::Tls);
    let mut stream = tls::handshake(Arc::clone(&settings.tls), settings.server_name.clone(), socket)
        .await
        .map_err(|error| tls::handshake_error(error, &settings.server()))?;
    stage.set(Stage::Mqtt);
    let mut received = BytesMut::new();
    let granted = log_in(settings, &mut stream, &mut received).await?;
    let version = stream.get_ref().1.protocol_version();
    info!(tls = ?version, keep_alive = ?granted.keep_alive, "connected");
    let session =
        Session::new(Arc::clone(&settings.limits), granted, settings.client_id.clone(), Instant::now());
    Ok(Established { stream, session, received })
}

/// CONNECT and its answer.
async fn log_in(
    settings: &Settings,
    stream: &mut TlsStream<TcpStream>,
    received: &mut BytesMut,
) -> Result<Granted, Error> {
    let Settings { client_id, keep_alive, limits, .. } = settings;
    let mut out = BytesMut::new();
    connect_packet(client_id, *keep_alive, limits)
        .write(&mut out, None)
        .map_err(|error| Error::Protocol { source: Cause::new(error) })?;
    // A server that does not want us hangs up, so that writing may fail; why it did is there to be read.
    let written = async {
        stream.write_all(&out).await?;
        stream.flush().await
    };
    let written = written.await;
    loop {
        if let Some(packet) = decode(received, limits.packet_bytes).map_err(protocol)? {
            return Granted::from_answer(packet, &settings.server(), client_id, *keep_alive, limits);
        }
        match stream.read_buf(received).await {
            Ok(0) => return Err(closed_after_connect(settings, written.err().unwrap_or_else(tls::hung_up))),
            Ok(_) => {}
            Err(error) => {
                // TLS 1.3 tells only now that the client's certificate is refused.
                return Err(tls::alert(&error, &settings.server())
                    .unwrap_or_else(|| closed_after_connect(settings, error)));
            }
        }
    }
}

fn closed_after_connect(settings: &Settings, error: std::io::Error) -> Error {
    Error::ClosedAfterConnect {
        endpoint: settings.server(),
        client_id: settings.client_id.clone(),
        source: Cause::new(error),
    }
}
