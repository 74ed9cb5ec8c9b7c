//! One connection of the device: the TLS handshake, then packets, each wait with an end.

use std::fmt;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::server::Acceptor;
use rustls::{AlertDescription, CipherSuite, ServerConfig, ServerConnection, StreamOwned};

use crate::packet::{self, Connect, Packet};

/// How long a handshake may take: a chip needs seconds to sign, an emulated one under load some more.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How often a wait looks at its end.
const TICK: Duration = Duration::from_millis(50);

/// What the device said first.
#[derive(Debug, Clone)]
pub(crate) struct Hello {
    /// The cipher suites that it offers.
    pub(crate) suites: Vec<CipherSuite>,
    /// The server name (SNI).
    pub(crate) server_name: Option<String>,
}

/// A connection whose TLS handshake is complete.
pub(crate) struct Connection {
    stream: StreamOwned<ServerConnection, TcpStream>,
    buffer: Vec<u8>,
    level: u8,
    /// When the device opened the TCP connection.
    pub(crate) opened: Instant,
}

/// Why there is no packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nothing came until the wait was over.
    TimeUp,
    /// The device closed the connection.
    Closed,
    /// The device ended TLS with that alert.
    Alert(AlertDescription),
    /// The device sent what is no MQTT, or no TLS.
    Broken(String),
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimeUp => f.write_str("nothing came in time"),
            Self::Closed => f.write_str("the device closed the connection"),
            Self::Alert(alert) => write!(f, "the device ended TLS with the alert {alert:?}"),
            Self::Broken(how) => f.write_str(how),
        }
    }
}

impl std::error::Error for Silence {}

impl Connection {
    /// Does the server's part of the TLS handshake. What the device said first is known even if that fails.
    pub(crate) fn accept(
        tcp: TcpStream,
        config: Arc<ServerConfig>,
    ) -> (Option<Hello>, Result<Self, Silence>) {
        let opened = Instant::now();
        let mut hello = None;
        let result = Self::handshake(tcp, config, opened, &mut hello);
        (hello, result)
    }

    fn handshake(
        mut tcp: TcpStream,
        config: Arc<ServerConfig>,
        opened: Instant,
        hello: &mut Option<Hello>,
    ) -> Result<Self, Silence> {
        let broken = |error: &dyn fmt::Display| Silence::Broken(error.to_string());
        tcp.set_nodelay(true).and_then(|()| tcp.set_read_timeout(Some(TICK))).map_err(|e| broken(&e))?;
        let mut acceptor = Acceptor::default();
        let accepted = loop {
            match acceptor.read_tls(&mut tcp) {
                Ok(0) => return Err(Silence::Closed),
                Ok(_) => {}
                Err(error) if waits(&error) => {}
                Err(error) => return Err(broken(&error)),
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => break accepted,
                Ok(None) if opened.elapsed() > HANDSHAKE => return Err(Silence::TimeUp),
                Ok(None) => {}
                Err((error, _)) => return Err(broken(&error)),
            }
        };
        let client_hello = accepted.client_hello();
        *hello = Some(Hello {
            suites: client_hello.cipher_suites().to_vec(),
            server_name: client_hello.server_name().map(str::to_owned),
        });
        let mut tls = accepted.into_connection(config).map_err(|(error, _)| broken(&error))?;
        while tls.is_handshaking() {
            match tls.complete_io(&mut tcp) {
                Ok(_) => {}
                Err(error) if waits(&error) && opened.elapsed() < HANDSHAKE => {}
                Err(error) => return Err(silence(&error)),
            }
        }
        let stream = StreamOwned::new(tls, tcp);
        Ok(Self { stream, buffer: Vec::new(), level: packet::MQTT_5, opened })
    }

    /// The TLS version and the cipher suite that were agreed on.
    pub(crate) fn agreed(&self) -> String {
        let version = self.stream.conn.protocol_version().map(|version| format!("{version:?}"));
        let suite = self.stream.conn.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
        format!("{} {}", version.unwrap_or_default(), suite.unwrap_or_default())
    }

    /// The protocol level that the device named in CONNECT.
    pub(crate) fn level(&self) -> u8 {
        self.level
    }

    /// The next packet, awaited until then.
    ///
    /// # Errors
    /// No packet comes.
    pub(crate) fn next(&mut self, until: Instant) -> Result<Packet, Silence> {
        loop {
            let taken = packet::take(&mut self.buffer, self.level);
            if let Some(packet) = taken.map_err(|error| Silence::Broken(error.to_string()))? {
                if let Packet::Connect(connect) = &packet {
                    self.level = connect.level;
                }
                return Ok(packet);
            }
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(Silence::Closed),
                Ok(count) => self.buffer.extend(bytes.get(..count).unwrap_or_default()),
                Err(error) if waits(&error) => {
                    if Instant::now() >= until {
                        return Err(Silence::TimeUp);
                    }
                }
                Err(error) => return Err(silence(&error)),
            }
        }
    }

    /// The CONNECT packet, with which each connection begins.
    ///
    /// # Errors
    /// None comes, or another packet does.
    pub(crate) fn connect(&mut self, until: Instant) -> Result<Connect, Silence> {
        match self.next(until)? {
            Packet::Connect(connect) => Ok(connect),
            other => Err(Silence::Broken(format!("the first packet is {other:?}, not CONNECT"))),
        }
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// The connection is at its end.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Silence> {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).map_err(|error| silence(&error))
    }

    /// Answers a packet as a server does that is well.
    ///
    /// # Errors
    /// The connection is at its end.
    pub(crate) fn answer(&mut self, packet: &Packet) -> Result<(), Silence> {
        let answer = match packet {
            Packet::Publish(publish) => publish.id.map(packet::puback),
            Packet::Subscribe(subscribe) => Some(packet::suback(self.level, subscribe)),
            Packet::Unsubscribe(id, filters) => Some(packet::unsuback(self.level, *id, *filters)),
            Packet::PingReq => Some(packet::pingresp()),
            _ => None,
        };
        answer.map_or(Ok(()), |bytes| self.send(&bytes))
    }

    /// Answers what comes until a packet is what `wanted` looks for, which is answered as well.
    ///
    /// # Errors
    /// It does not come.
    pub(crate) fn serve_until<T>(
        &mut self,
        until: Instant,
        mut wanted: impl FnMut(&Packet) -> Option<T>,
    ) -> Result<T, Silence> {
        loop {
            let packet = self.next(until)?;
            self.answer(&packet)?;
            if let Some(found) = wanted(&packet) {
                return Ok(found);
            }
            if Instant::now() >= until {
                return Err(Silence::TimeUp);
            }
        }
    }

    /// Answers what comes for that long.
    ///
    /// # Errors
    /// The connection ends before.
    pub(crate) fn serve_for(&mut self, time: Duration) -> Result<Vec<Packet>, Silence> {
        let until = Instant::now() + time;
        let mut packets = Vec::new();
        match self.serve_until(until, |packet| {
            packets.push(packet.clone());
            None::<()>
        }) {
            Err(Silence::TimeUp) | Ok(()) => Ok(packets),
            Err(end) => Err(end),
        }
    }

    /// Says nothing more, and waits until the device closes. The packets that came meanwhile.
    ///
    /// # Errors
    /// It does not close.
    pub(crate) fn ignore_until_closed(&mut self, until: Instant) -> Result<Vec<Packet>, Silence> {
        let mut packets = Vec::new();
        loop {
            match self.next(until) {
                Ok(packet) => packets.push(packet),
                Err(Silence::TimeUp) => return Err(Silence::TimeUp),
                Err(_) => return Ok(packets),
            }
        }
    }
}

fn waits(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn silence(error: &std::io::Error) -> Silence {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (tls, error.kind()) {
        (Some(rustls::Error::AlertReceived(alert)), _) => Silence::Alert(*alert),
        (_, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Silence::Closed,
        _ => Silence::Broken(error.to_string()),
    }
}
