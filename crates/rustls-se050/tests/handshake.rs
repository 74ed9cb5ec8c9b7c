//! Handshakes with rustls' own server, which requires a client certificate; the key is in the simulated chip.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::io::Cursor;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, ServerConfig, ServerConnection, SupportedProtocolVersion, version,
};
use rustls_se050::{
    ClientIdentity, Error, TlsVersions, chip_failure, chip_failure_in, intermediates_from_pem_file,
    roots_from_pem_dir, roots_from_pem_file,
};
use se050_key::Selector;
use support::{Device, EC_KEY, RSA_KEY};
use test_peers::Pki;

/// A server for `localhost` that lets in the chip's certificates, and its own certificate authority in PEM.
fn server(device: &Device, version: &'static SupportedProtocolVersion) -> (ServerConfig, String) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = device.roots("client-ca.pem", &device.ca_pem());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider))
        .build()
        .unwrap();
    let pki = Pki::new();
    let issued = pki.server("localhost");
    let der = |text: &str| pem::parse(text).unwrap().into_contents();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der(&issued.key_pem)));
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![CertificateDer::from(der(&issued.certificate_pem))], key)
        .unwrap();
    (config, pki.ca_pem())
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
    let device = Device::new();
    for version in [&version::TLS12, &version::TLS13] {
        // The RSA key's signature is never made twice; the EC key's is when the module shortens it, once in 200.
        for (label, most) in [(RSA_KEY, 1), (EC_KEY, 2)] {
            let (server, ca) = server(&device, version);
            let client = device.config(&device.identity(label), TlsVersions::Both, &ca);
            let before = device.signatures();
            let server = handshake(client, server).unwrap();
            let made = device.signatures() - before;
            assert!((1..=most).contains(&made), "{label} over {version:?}: {made} signatures");
            assert_eq!(server.protocol_version(), Some(version.version));
            let id = if label == RSA_KEY { 0xF000_0111 } else { 0xF000_0101 };
            assert_eq!(server.peer_certificates().unwrap()[0].as_ref(), device.chip.certificate(id).unwrap());
        }
    }
}

#[test]
fn a_failure_of_the_chip_comes_out_of_the_handshake_as_ours() {
    let device = Device::new();
    let (server, ca) = server(&device, &version::TLS13);
    let identity = device.identity(RSA_KEY);
    let client = device.config(&identity, TlsVersions::Both, &ca);
    // The chip loses its key between start-up and handshake.
    std::fs::remove_dir_all(device.chip.directory().join("objects")).unwrap();
    let error = handshake(client, server).unwrap_err();
    assert!(matches!(chip_failure(&error), Some(se050_key::Error::NotFound { .. })), "{error:?}");
    assert!(identity.explain(&error).unwrap().contains("no private key sss:100100F0"), "{error}");

    // As an I/O driver passes it on.
    let passed_on = std::io::Error::other(error);
    assert!(matches!(chip_failure_in(&passed_on), Some(se050_key::Error::NotFound { .. })), "{passed_on:?}");
    assert!(chip_failure_in(&std::io::Error::other("something else")).is_none());
}

#[test]
fn an_identity_is_built_only_of_key_and_certificate_that_belong_together() {
    let device = Device::new();
    let token = &device.token;
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
    assert!(intermediates_from_pem_file(directory.path().join("absent.pem")).is_err());
}

#[test]
fn a_directory_of_ca_certificates_is_taken_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let empty = roots_from_pem_dir(directory.path()).unwrap_err().to_string();
    assert!(empty.contains("no file of CA certificates"), "{empty}");
    for name in ["one.pem", "two.crt"] {
        std::fs::write(at(name), Pki::new().ca_pem()).unwrap();
    }
    std::fs::write(at("README"), "not a certificate").unwrap();
    assert_eq!(roots_from_pem_dir(directory.path()).unwrap().len(), 2);
    std::fs::write(at("three.pem"), "not a certificate").unwrap();
    let broken = roots_from_pem_dir(directory.path()).unwrap_err().to_string();
    assert!(broken.contains("three.pem"), "{broken}");
}
