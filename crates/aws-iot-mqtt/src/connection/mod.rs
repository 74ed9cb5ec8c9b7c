//! From a name to a session: dial, TLS, CONNECT, and then the loop that moves the bytes.

mod alarm;
mod alpn;
mod dial;
mod driver;
mod http;
mod proxy;
mod shared;
mod supervisor;
mod thread;
mod tls;
mod validity;

use std::cell::Cell;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout};
use tokio_rustls::client::TlsStream;
use tracing::info;

pub(crate) use self::alpn::with_alpn;
pub(crate) use self::shared::Shared;
pub(crate) use self::thread::{died, start};
use crate::codec::decode;
use crate::proxy::host_and_port;
use crate::session::{Granted, Hello, protocol};
use crate::verdict::Classifier;
use crate::{Cause, Error, Limits, Outbox, Proxy, Reconnect, Stage};

/// What the builder has put together and checked.
pub(crate) struct Settings {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) endpoint: String,
    pub(crate) port: u16,
    pub(crate) server_name: ServerName<'static>,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) hello: Hello,
    pub(crate) connect_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) limits: Arc<Limits>,
    pub(crate) outbox: Outbox,
    pub(crate) reconnect: Reconnect,
    pub(crate) classifier: Classifier,
}

impl Settings {
    /// The server, as errors name it.
    fn server(&self) -> String {
        host_and_port(&self.endpoint, self.port)
    }
}

/// A connection that the server has agreed to.
struct Established {
    stream: TlsStream<TcpStream>,
    granted: Granted,
    /// What came right behind CONNACK.
    received: BytesMut,
}

/// Connects within the bound, which covers everything from the name to CONNACK. `first` where no connection of this
/// client has stood before.
async fn establish(settings: &Settings, first: bool) -> Result<Established, Error> {
    let stage = Cell::new(Stage::Resolve);
    timeout(settings.connect_timeout, connect(settings, first, &stage)).await.unwrap_or_else(|_| {
        Err(Error::ConnectTimeout {
            endpoint: settings.server(),
            stage: stage.get(),
            after: settings.connect_timeout,
        })
    })
}

async fn connect(settings: &Settings, first: bool, stage: &Cell<Stage>) -> Result<Established, Error> {
    let socket = match &settings.proxy {
        Some(proxy) => {
            stage.set(Stage::Proxy);
            proxy::tunnel(proxy, &settings.server()).await?
        }
        None => {
            let addresses = dial::resolve(&settings.endpoint, settings.port).await?;
            stage.set(Stage::Tcp);
            dial::dial(addresses, &settings.server()).await?
        }
    };
    stage.set(Stage::Tls);
    let server_name = settings.server_name.clone();
    let mut stream =
        tls::handshake(Arc::clone(&settings.tls), server_name, socket, &settings.server()).await?;
    stage.set(Stage::Mqtt);
    // Room for the whole answer, also that of an HTTP server, whose first line is shown.
    let mut received = BytesMut::with_capacity(4096);
    let granted = log_in(settings, first, &mut stream, &mut received).await?;
    let version = stream.get_ref().1.protocol_version();
    info!(tls = ?version, keep_alive = ?granted.keep_alive, "connected");
    Ok(Established { stream, granted, received })
}

/// CONNECT and its answer.
async fn log_in(
    settings: &Settings,
    first: bool,
    stream: &mut TlsStream<TcpStream>,
    received: &mut BytesMut,
) -> Result<Granted, Error> {
    let Settings { hello, limits, .. } = settings;
    let mut out = BytesMut::new();
    hello
        .packet(limits, first)
        .write(&mut out, None)
        .map_err(|error| Error::Protocol { source: Cause::new(error) })?;
    // A server that does not want us hangs up, so that writing may fail; why it did is there to be read.
    let written = async {
        stream.write_all(&out).await?;
        stream.flush().await
    };
    let written = written.await;
    loop {
        http::refuse_http(received, &settings.server())?;
        if let Some(packet) = decode(received, limits.packet_bytes).map_err(protocol)? {
            return Granted::from_answer(packet, &settings.server(), hello, limits);
        }
        match stream.read_buf(received).await {
            Ok(0) => return Err(closed_after_connect(settings, written.err().unwrap_or_else(tls::closed))),
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
        client_id: settings.hello.client_id.clone(),
        source: Cause::new(tls::in_words(error)),
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => pending().await,
    }
}
