//! An MQTT server over TLS for any number of connections, whose answers the test chooses.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use aws_iot_mqtt::{Builder, Reconnect};
use rustls::{ServerConnection, StreamOwned};
use test_peers::{Issued, Pki};

use super::packets::{connack, puback, publish_with_id, published, suback, subscribe};
use crate::support::server::server_config;
use crate::support::{BOTH_VERSIONS, client, lasting, tls};

/// SUBSCRIBE, PUBLISH, PINGREQ and DISCONNECT, by their first byte's upper half (MQTT 5, section 2.1.2).
const PUBLISH: u8 = 3;
const SUBSCRIBE: u8 = 8;
const PINGREQ: u8 = 12;
const DISCONNECT: u8 = 14;

pub(super) struct Server {
    port: u16,
    ca_pem: String,
    device: Issued,
}

impl Server {
    /// Runs `script` for each connection, with the connection's number from 0 on. The connection ends with it.
    pub(super) fn start(script: impl Fn(&mut Connection, usize) + Send + Sync + 'static) -> Self {
        let pki = Pki::new();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = Arc::new(server_config(&pki.ca_pem(), &pki.server("localhost")));
        let script = Arc::new(script);
        thread::spawn(move || {
            for (number, socket) in listener.incoming().enumerate() {
                let stream =
                    StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket.unwrap());
                let script = Arc::clone(&script);
                thread::spawn(move || {
                    let mut connection = Connection(stream);
                    script(&mut connection, number);
                    connection.close();
                });
            }
        });
        Self { port, ca_pem: pki.ca_pem(), device: pki.client("device-1") }
    }

    /// The same answers on every connection.
    pub(super) fn answering(answers: Answers) -> Self {
        Self::start(move |connection, _| connection.serve(&answers))
    }

    /// A client that tries again quickly.
    pub(super) fn client(&self) -> Builder {
        lasting(self.port, "device-1", tls(&self.device, &self.ca_pem, BOTH_VERSIONS))
    }

    /// A client that ends with its connection.
    pub(super) fn one_attempt(&self) -> Builder {
        client(self.port, "device-1", tls(&self.device, &self.ca_pem, BOTH_VERSIONS))
            .reconnect(Reconnect::never())
    }
}

type Answer = Box<dyn Fn(&[u8; 2], &[u8]) -> Vec<u8> + Send + Sync>;

/// What the server answers.
pub(super) struct Answers {
    pub(super) connack: Vec<u8>,
    /// By packet id and filter.
    pub(super) suback: Answer,
    /// By packet id and topic.
    pub(super) puback: Answer,
    /// Whether a message comes back to its sender.
    pub(super) echo: bool,
}

impl Default for Answers {
    /// As a well-behaved server.
    fn default() -> Self {
        Self {
            connack: connack(false, 0, &[]),
            suback: Box::new(|id, _| suback(*id, &[1])),
            puback: Box::new(|id, _| puback(*id, &[])),
            echo: true,
        }
    }
}

pub(super) struct Connection(StreamOwned<ServerConnection, TcpStream>);

impl Connection {
    /// The next packet: its first byte, and what follows the length. `None` when the client has gone.
    pub(super) fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.byte()?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some((first, body))
    }

    /// Skips packets up to one of that kind, which it returns.
    pub(super) fn until(&mut self, kind: u8) -> Option<(u8, Vec<u8>)> {
        loop {
            let (first, body) = self.packet()?;
            if first >> 4 == kind {
                return Some((first, body));
            }
        }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        // A client that has gone is seen at the next read.
        let _ = self.0.write_all(bytes).and_then(|()| self.0.flush());
    }

    /// Answers until the client goes.
    pub(super) fn serve(&mut self, answers: &Answers) {
        if self.packet().is_none() {
            return;
        }
        self.send(&answers.connack);
        self.answer(answers);
    }

    /// The same after CONNACK.
    pub(super) fn answer(&mut self, answers: &Answers) {
        while let Some((first, body)) = self.packet() {
            match first >> 4 {
                SUBSCRIBE => {
                    let request = subscribe(&body);
                    self.send(&(answers.suback)(&request.id, request.topic));
                }
                PUBLISH => {
                    let request = published(first, &body);
                    self.send(&(answers.puback)(&request.id, request.topic));
                    if answers.echo {
                        self.send(&publish_with_id(77, request.topic, &[], request.payload));
                    }
                }
                PINGREQ => self.send(&[0xD0, 0]),
                DISCONNECT => return,
                _ => {}
            }
        }
    }

    /// Cuts the TCP connection, without TLS's close_notify.
    pub(super) fn cut(&mut self) {
        let _ = self.0.sock.shutdown(Shutdown::Both);
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte).ok()?;
        Some(byte[0])
    }

    fn close(mut self) {
        self.0.conn.send_close_notify();
        let _ = self.0.flush();
    }
}
