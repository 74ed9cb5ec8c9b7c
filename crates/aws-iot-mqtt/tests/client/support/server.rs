//! A TLS server that follows a script: for what no real broker does on request.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use test_peers::{Issued, Pki};

use super::{BOTH_VERSIONS, certified_key, roots};

/// A CONNACK that grants everything: success, no properties.
pub(crate) const CONNACK: &[u8] = &[0x20, 3, 0, 0, 0];

pub(crate) type TlsStream = StreamOwned<ServerConnection, TcpStream>;

/// What becomes of one connection.
pub(crate) type Script = Box<dyn FnOnce(&mut TlsStream) + Send>;

/// A server for one connection, or for several in turn.
pub(crate) struct Scripted {
    pub(crate) port: u16,
    pub(crate) ca_pem: String,
    /// A client that it lets in.
    pub(crate) device: Issued,
}

impl Scripted {
    /// Accepts one connection, asks for the client's certificate, and leaves the rest to `script`.
    pub(crate) fn start(script: impl FnOnce(&mut TlsStream) + Send + 'static) -> Self {
        let pki = Pki::new();
        Self::with(&pki.ca_pem(), &pki.server("localhost"), pki.client("device-1"), script)
    }

    /// The same with certificates of the test's own.
    pub(crate) fn with(
        ca_pem: &str,
        server: &Issued,
        device: Issued,
        script: impl FnOnce(&mut TlsStream) + Send + 'static,
    ) -> Self {
        Self::serve(ca_pem, server, device, vec![Box::new(script)])
    }

    /// One connection after the other, each with a script of its own.
    pub(crate) fn in_turn(scripts: Vec<Script>) -> Self {
        let pki = Pki::new();
        Self::serve(&pki.ca_pem(), &pki.server("localhost"), pki.client("device-1"), scripts)
    }

    fn serve(ca_pem: &str, server: &Issued, device: Issued, scripts: Vec<Script>) -> Self {
        let (listener, port) = listen();
        let config = Arc::new(server_config(ca_pem, server));
        thread::spawn(move || {
            for script in scripts {
                let (socket, _) = listener.accept().unwrap();
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                script(&mut StreamOwned::new(connection, socket));
            }
        });
        Self { port, ca_pem: ca_pem.to_owned(), device }
    }

    /// Reads CONNECT, says yes, and leaves the rest to `script`.
    pub(crate) fn broker(script: impl FnOnce(&mut TlsStream) + Send + 'static) -> Self {
        Self::start(|stream| {
            welcome(stream);
            script(stream);
        })
    }
}

/// Reads CONNECT, and says yes.
pub(crate) fn welcome(stream: &mut TlsStream) {
    read_packet(stream);
    stream.write_all(CONNACK).unwrap();
}

/// A port that speaks no TLS.
pub(crate) fn plain(script: impl FnOnce(TcpStream) + Send + 'static) -> u16 {
    let (listener, port) = listen();
    thread::spawn(move || script(listener.accept().unwrap().0));
    port
}

/// A packet of at most 127 bytes: its first byte, and what follows the length.
pub(crate) fn read_packet(stream: &mut TlsStream) -> (u8, Vec<u8>) {
    let mut header = [0; 2];
    stream.read_exact(&mut header).unwrap();
    let mut rest = vec![0; header[1].into()];
    stream.read_exact(&mut rest).unwrap();
    (header[0], rest)
}

/// Reads until the client has gone.
pub(crate) fn read_to_end(stream: &mut TlsStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A client that hangs up without close_notify is gone as well.
    let _ = stream.read_to_end(&mut rest);
    rest
}

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// TLS that asks for the client's certificate.
pub(crate) fn server_config(ca_pem: &str, server: &Issued) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = Arc::new(roots(ca_pem));
    let verifier: Arc<dyn ClientCertVerifier> =
        WebPkiClientVerifier::builder_with_provider(clients, Arc::clone(&provider)).build().unwrap();
    let key = certified_key(server);
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(BOTH_VERSIONS)
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)))
}
