//! An MQTT 5 client that writes and reads bytes, independent of the codec that the broker uses.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use aws_iot_sim::AwsIotSim;
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, SignatureScheme, StreamOwned, SupportedProtocolVersion,
};
use test_peers::Issued;

/// Only a bound for a test that would hang otherwise.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the TLS side of a client says.
pub(crate) struct Tls<'a> {
    pub(crate) certificate_pem: &'a str,
    pub(crate) key_pem: &'a str,
    pub(crate) server_name: &'a str,
    pub(crate) alpn: &'a [&'a str],
    pub(crate) versions: &'a [&'static SupportedProtocolVersion],
}

impl<'a> Tls<'a> {
    pub(crate) fn of(issued: &'a Issued) -> Self {
        Self {
            certificate_pem: &issued.certificate_pem,
            key_pem: &issued.key_pem,
            server_name: "localhost",
            alpn: &[],
            versions: rustls::ALL_VERSIONS,
        }
    }
}

/// A TLS connection to the broker.
pub(crate) struct Client(StreamOwned<ClientConnection, TcpStream>);

impl Client {
    /// Connects and does the TLS handshake.
    pub(crate) fn open(sim: &AwsIotSim, tls: &Tls<'_>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(der(sim.ca_pem()))).expect("a root");
        let provider = Arc::new(ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der(tls.key_pem)));
        let key = provider.key_provider.load_private_key(key).expect("a usable key");
        let certificate = CertificateDer::from(der(tls.certificate_pem));
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(tls.versions)
            .expect("versions")
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(Always(Arc::new(CertifiedKey::new(vec![certificate], key)))));
        config.alpn_protocols = tls.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(tls.server_name.to_owned()).expect("a server name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
        let stream = TcpStream::connect(("127.0.0.1", sim.port()))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self(stream))
    }

    /// Connects, and gets through CONNECT.
    pub(crate) fn connected(sim: &AwsIotSim, issued: &Issued, client_id: &str) -> Self {
        let mut client = Self::open(sim, &Tls::of(issued)).expect("the TLS handshake");
        client.send(&connect(client_id, 60));
        let connack = client.receive();
        assert_eq!((connack[0], connack[3]), (0x20, 0), "CONNACK with success, not {connack:02x?}");
        client
    }

    /// Connects for a session that is kept for an hour. Returns whether there was one.
    pub(crate) fn resumed(sim: &AwsIotSim, issued: &Issued, client_id: &str) -> (Self, bool) {
        let mut client = Self::open(sim, &Tls::of(issued)).expect("the TLS handshake");
        client.send(&connect_kept(client_id, false, 3600));
        let connack = client.receive();
        assert_eq!((connack[0], connack[3]), (0x20, 0), "CONNACK with success, not {connack:02x?}");
        (client, connack[2] == 1)
    }

    /// Says goodbye, and returns when the broker has taken it.
    pub(crate) fn leave(mut self) {
        self.send(&[0xe0, 0]);
        self.ended();
    }

    pub(crate) fn send(&mut self, packet: &[u8]) {
        self.0.write_all(packet).expect("the packet is sent");
    }

    /// The next packet, which has to come.
    pub(crate) fn receive(&mut self) -> Vec<u8> {
        self.try_receive().expect("a packet")
    }

    /// The next packet, or how the connection ended.
    pub(crate) fn try_receive(&mut self) -> io::Result<Vec<u8>> {
        let mut packet = vec![0];
        self.0.read_exact(&mut packet)?;
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            packet.push(byte[0]);
            length |= usize::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                break;
            }
        }
        let mut rest = vec![0; length];
        self.0.read_exact(&mut rest)?;
        packet.extend(rest);
        Ok(packet)
    }

    /// The reason of the DISCONNECT that has to come next, after which the connection has to end.
    #[track_caller]
    pub(crate) fn disconnected(&mut self) -> u8 {
        let packet = self.receive();
        assert_eq!(packet[0], 0xe0, "a DISCONNECT, not {packet:02x?}");
        self.ended();
        packet[2]
    }

    /// The connection has to end, and in good order.
    #[track_caller]
    pub(crate) fn ended(&mut self) {
        let mut byte = [0];
        match self.0.read(&mut byte) {
            Ok(0) => {}
            other => panic!("the connection should end, but: {other:?} {byte:02x?}"),
        }
    }
}

/// CONNECT with a clean start.
pub(crate) fn connect(client_id: &str, keep_alive: u16) -> Vec<u8> {
    connect_with(client_id, keep_alive, &[], None)
}

/// CONNECT with properties (without their length) and a will (topic, payload).
pub(crate) fn connect_with(
    client_id: &str,
    keep_alive: u16,
    properties: &[u8],
    will: Option<(&str, &str)>,
) -> Vec<u8> {
    connect_flagged(if will.is_some() { 0x06 } else { 0x02 }, client_id, keep_alive, properties, will)
}

/// CONNECT for a session that is kept for `expiry` seconds, with a clean start or without.
pub(crate) fn connect_kept(client_id: &str, clean_start: bool, expiry: u32) -> Vec<u8> {
    let [a, b, c, d] = expiry.to_be_bytes();
    connect_flagged(if clean_start { 0x02 } else { 0 }, client_id, 60, &[0x11, a, b, c, d], None)
}

/// CONNECT for a session that is kept for `expiry` seconds, with a will that has properties.
pub(crate) fn connect_with_will(
    client_id: &str,
    expiry: u32,
    will_properties: &[u8],
    topic: &str,
    payload: &str,
) -> Vec<u8> {
    let [a, b, c, d] = expiry.to_be_bytes();
    let will = Some((will_properties, topic, payload));
    connect_packet(0x06, client_id, 60, &[0x11, a, b, c, d], will)
}

fn connect_flagged(
    flags: u8,
    client_id: &str,
    keep_alive: u16,
    properties: &[u8],
    will: Option<(&str, &str)>,
) -> Vec<u8> {
    let will = will.map(|(topic, payload)| (&[] as &[u8], topic, payload));
    connect_packet(flags, client_id, keep_alive, properties, will)
}

fn connect_packet(
    flags: u8,
    client_id: &str,
    keep_alive: u16,
    properties: &[u8],
    will: Option<(&[u8], &str, &str)>,
) -> Vec<u8> {
    let mut body = string("MQTT");
    body.extend([5, flags]);
    body.extend(keep_alive.to_be_bytes());
    body.push(u8::try_from(properties.len()).expect("short properties"));
    body.extend(properties);
    body.extend(string(client_id));
    if let Some((properties, topic, payload)) = will {
        body.push(u8::try_from(properties.len()).expect("short properties"));
        body.extend(properties);
        body.extend(string(topic));
        body.extend(string(payload));
    }
    packet(0x10, &body)
}

/// SUBSCRIBE with filters and their options.
pub(crate) fn subscribe(id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    body.push(0);
    for (filter, options) in filters {
        body.extend(string(filter));
        body.push(*options);
    }
    packet(0x82, &body)
}

/// PUBLISH; `id` 0 is QoS 0, another one QoS 1.
pub(crate) fn publish(topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    publish_flagged(if id == 0 { 0x30 } else { 0x32 }, topic, id, &[], payload)
}

/// PUBLISH with its first byte and properties as given.
pub(crate) fn publish_flagged(first: u8, topic: &str, id: u16, properties: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut body = string(topic);
    if id != 0 {
        body.extend(id.to_be_bytes());
    }
    body.push(u8::try_from(properties.len()).expect("short properties"));
    body.extend(properties);
    body.extend(payload);
    packet(first, &body)
}

/// The properties of a CONNACK, by their identifiers (MQTT 5, section 3.2.2.3); strings as bytes.
pub(crate) fn connack_properties(connack: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    let mut rest = &connack[5..];
    assert_eq!(rest.len(), usize::from(connack[4]), "one byte of property length");
    let mut properties = BTreeMap::new();
    while let [identifier, after @ ..] = rest {
        let length = match identifier {
            0x11 | 0x27 => 4,
            0x13 | 0x21 | 0x22 => 2,
            0x24 | 0x25 | 0x28 | 0x29 | 0x2a => 1,
            0x12 => 2 + usize::from(after[1]),
            other => panic!("property {other:#x} was not expected"),
        };
        properties.insert(*identifier, after[..length].to_vec());
        rest = &after[length..];
    }
    properties
}

/// Any packet, from its first byte and its body.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let byte = u8::try_from(length % 128).expect("seven bits");
        length /= 128;
        packet.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).expect("a short text").to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// Presents the certificate with whatever key there is, as a thief would.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn der(text: &str) -> Vec<u8> {
    pem::parse(text).expect("PEM").into_contents()
}
