//! Handshakes with rustls' own server, which requires a client certificate; the key is in the simulated chip.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::Cursor;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
    version,
};
use rustls_se050::{ClientIdentity, Error, chip_failure, client_config, roots_from_pem_file};
use se050_key::{Selector, Token};
use se050_sim::Chip;
use test_peers::Pki;

const RSA_KEY: &str = "sss:100100F0";
const EC_KEY: &str = "sss:000100F0";

struct Setup {
    directory: tempfile::TempDir,
    chip: Chip,
    server_pki: Pki,
}

impl Setup {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let chip = Chip::create(&directory.path().join("chip")).unwrap();
        chip.set_log_to_stdout(false).unwrap();
        Self { directory, chip, server_pki: Pki::new() }
    }

    fn roots(&self, name: &str, pem: &str) -> RootCertStore {
        let file = self.directory.path().join(name);
        std::fs::write(&file, pem).unwrap();
        roots_from_pem_file(file).unwrap()
    }

    fn client(&self, label: &str) -> ClientConfig {
        let token = Token::open(self.chip.module()).unwrap();
        let selector: Selector = label.parse().unwrap();
        let certificate = token.certificate_of_key(&selector).unwrap();
        let identity = ClientIdentity::new(token.key(&selector).unwrap(), &certificate).unwrap();
        client_config(&identity, self.roots("server-ca.pem", &self.server_pki.ca_pem())).unwrap()
    }

    fn server(&self, version: &'static SupportedProtocolVersion) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients = self.roots("client-ca.pem", &self.chip.ca_pem().unwrap());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider))
            .build()
            .unwrap();
        let issued = self.server_pki.server("localhost");
        let der = |text: &str| pem::parse(text).unwrap().into_contents();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der(&issued.key_pem)));
        ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![CertificateDer::from(der(&issued.certificate_pem))], key)
            .unwrap()
    }
}

/// Carries bytes to and fro until both sides are through.
fn handshake(client: ClientConfig, server: ServerConfig) -> Result<ServerConnection, rustls::Error> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        server.read_tls(&mut Cursor::new(&bytes)).unwrap();
        server.process_new_packets()?;
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut Cursor::new(&bytes)).unwrap();
        client.process_new_packets()?;
    }
    Ok(server)
}

#[test]
fn a_handshake_makes_one_signature_in_the_chip() {
    let setup = Setup::new();
    for version in [&version::TLS12, &version::TLS13] {
        // The RSA key's signature is never made twice; the EC key's is when the module shortens it, once in 200.
        for (label, most) in [(RSA_KEY, 1), (EC_KEY, 2)] {
            let before = setup.chip.calls().unwrap().signatures();
            let server = handshake(setup.client(label), setup.server(version)).unwrap();
            let made = setup.chip.calls().unwrap().signatures() - before;
            assert!((1..=most).contains(&made), "{label} over {version:?}: {made} signatures");
            assert_eq!(server.protocol_version(), Some(version.version));
            let id = if label == RSA_KEY { 0xF000_0111 } else { 0xF000_0101 };
            assert_eq!(server.peer_certificates().unwrap()[0].as_ref(), setup.chip.certificate(id).unwrap());
        }
    }
}

#[test]
fn a_failure_of_the_chip_comes_out_of_the_handshake_as_ours() {
    let setup = Setup::new();
    let client = setup.client(RSA_KEY);
    // The chip loses its key between start-up and handshake.
    std::fs::remove_dir_all(setup.chip.directory().join("objects")).unwrap();
    let error = handshake(client, setup.server(&version::TLS13)).unwrap_err();
    assert!(matches!(chip_failure(&error), Some(se050_key::Error::Call { .. })), "{error:?}");
    assert!(error.to_string().contains("signing with the key sss:100100F0"), "{error}");
}

#[test]
fn an_identity_is_built_only_of_key_and_certificate_that_belong_together() {
    let setup = Setup::new();
    let token = Token::open(setup.chip.module()).unwrap();
    let (rsa, ec): (Selector, Selector) = (RSA_KEY.parse().unwrap(), EC_KEY.parse().unwrap());
    let error =
        ClientIdentity::new(token.key(&rsa).unwrap(), &token.certificate_of_key(&ec).unwrap()).unwrap_err();
    assert!(matches!(error, Error::Identity(se050_key::Error::KeyMismatch { .. })), "{error:?}");
}

#[test]
fn a_file_without_a_ca_certificate_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("roots.pem");
    let not_a_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let key = Pki::new().server("localhost").key_pem;
    for (name, text) in
        [("empty", ""), ("no PEM", "hello"), ("no certificate in it", not_a_certificate), ("a key", &key)]
    {
        std::fs::write(&file, text).unwrap();
        let error = roots_from_pem_file(&file).unwrap_err().to_string();
        assert!(error.contains("roots.pem"), "{name}: {error}");
    }
    assert!(roots_from_pem_file(directory.path().join("absent.pem")).is_err());
}
