//! An MQTT 5 client that writes and reads bytes, independent of the codec that the broker uses.

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

use super::packets::{KEEP_ALIVE, connect, connect_kept};

/// Only a bound for a test that would hang otherwise.
const PATIENCE: Duration = Duration::from_secs(120);

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
        client.send(&connect(client_id, KEEP_ALIVE));
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
