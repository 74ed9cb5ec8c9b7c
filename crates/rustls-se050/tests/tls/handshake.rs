//! Handshakes with rustls' own server, which requires a client certificate; the key is in the simulated chip.

use std::io::Cursor;
use std::sync::Arc;

use crate::support::{Device, EC_KEY, RSA_KEY};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, ServerConfig, ServerConnection, SupportedProtocolVersion, version,
};
use rustls_se050::{ClientConfigBuilder, ClientIdentity, Error, TlsVersions, chip_failure, default_provider};
use se050_key::Selector;
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
    assert!(identity.explain(&error).unwrap().to_string().contains("no private key sss:100100F0"), "{error}");

    // As an I/O driver passes it on.
    let passed_on = std::io::Error::other(error);
    assert!(matches!(chip_failure(&passed_on), Some(se050_key::Error::NotFound { .. })), "{passed_on:?}");
    assert!(chip_failure(&std::io::Error::other("something else")).is_none());
}

#[test]
fn an_identity_is_built_only_of_key_and_certificate_that_belong_together() {
    let device = Device::new();
    let token = &device.token;
    let (rsa, ec): (Selector, Selector) = (RSA_KEY.parse().unwrap(), EC_KEY.parse().unwrap());
    let error =
        ClientIdentity::new(token.key(&rsa, None).unwrap(), &token.certificate(&ec).unwrap()).unwrap_err();
    assert!(matches!(error, Error::Identity(se050_key::Error::KeyMismatch { .. })), "{error:?}");
}

#[test]
fn another_crypto_provider_and_its_suites_are_taken() {
    use rustls::crypto::ring::cipher_suite::TLS13_AES_256_GCM_SHA384;
    let device = Device::new();
    let (server, ca) = server(&device, &version::TLS13);
    let provider = CryptoProvider {
        cipher_suites: vec![TLS13_AES_256_GCM_SHA384],
        ..rustls::crypto::ring::default_provider()
    };
    let client = ClientConfigBuilder::new(&device.identity(EC_KEY), device.roots("ca.pem", &ca))
        .tls_versions(TlsVersions::Tls13)
        .crypto_provider(Arc::new(provider))
        .build()
        .unwrap();
    let server = handshake(client, server).unwrap();
    assert_eq!(server.negotiated_cipher_suite(), Some(TLS13_AES_256_GCM_SHA384));
}

/// "Transport security in AWS IoT Core" lists no ChaCha20 suite of TLS 1.2; Device Advisor warns of a client that offers one.
#[test]
fn the_suites_that_are_offered_are_those_that_aws_iot_lists() {
    use rustls::CipherSuite as S;
    let device = Device::new();
    let config = device.config(&device.identity(EC_KEY), TlsVersions::Both, &Pki::new().ca_pem());
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    let mut acceptor = rustls::server::Acceptor::default();
    acceptor.read_tls(&mut Cursor::new(&hello)).unwrap();
    let accepted = acceptor.accept().map_err(|(error, _)| error).unwrap().unwrap();
    let mut offered = accepted.client_hello().cipher_suites().to_vec();
    offered.retain(|suite| *suite != S::TLS_EMPTY_RENEGOTIATION_INFO_SCSV);
    offered.sort_by_key(|suite| u16::from(*suite));
    assert_eq!(
        offered,
        [
            S::TLS13_AES_128_GCM_SHA256,
            S::TLS13_AES_256_GCM_SHA384,
            S::TLS13_CHACHA20_POLY1305_SHA256,
            S::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            S::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            S::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            S::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ]
    );
}

/// For programs that put their own configuration together.
#[test]
fn the_identity_is_a_certificate_resolver_and_gives_its_signing_key() {
    fn shared<T: Send + Sync + std::fmt::Debug + Clone>(_: &T) {}
    let device = Device::new();
    let (server, ca) = server(&device, &version::TLS13);
    let identity = device.identity(EC_KEY);
    shared(&identity);
    let client = ClientConfig::builder_with_provider(default_provider().unwrap())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(device.roots("ca.pem", &ca))
        .with_client_cert_resolver(Arc::new(identity.clone()));
    handshake(client, server).unwrap();
    let certified = identity.certified_key();
    assert_eq!(certified.cert.len(), 1);
    assert_eq!(certified.key.algorithm(), rustls::SignatureAlgorithm::ECDSA);
    assert!(certified.key.public_key().is_some());
}
