//! Handshakes with OpenSSL's `s_server`, which forces one signature scheme after the other; keys in the simulated chip.

use crate::support::{Device, EC_KEY, RSA_KEY, exchange};
use rustls_se050::{ClientIdentity, TlsVersions};
use test_peers::{OpensslServer, output_of, program};

#[test]
fn every_scheme_that_the_server_may_force() {
    let device = Device::new();
    // TLS version, key, -client_sigalgs, and what the server then says of the signature.
    let cases = [
        ("-tls1_2", RSA_KEY, "RSA+SHA256", "SHA256", "RSA"),
        ("-tls1_2", RSA_KEY, "RSA+SHA384", "SHA384", "RSA"),
        ("-tls1_2", RSA_KEY, "RSA+SHA512", "SHA512", "RSA"),
        ("-tls1_2", RSA_KEY, "RSA-PSS+SHA256", "SHA256", "RSA-PSS"),
        ("-tls1_2", RSA_KEY, "RSA-PSS+SHA384", "SHA384", "RSA-PSS"),
        ("-tls1_2", RSA_KEY, "RSA-PSS+SHA512", "SHA512", "RSA-PSS"),
        ("-tls1_2", EC_KEY, "ECDSA+SHA256", "SHA256", "ECDSA"),
        ("-tls1_3", RSA_KEY, "RSA-PSS+SHA256", "SHA256", "RSA-PSS"),
        ("-tls1_3", RSA_KEY, "RSA-PSS+SHA384", "SHA384", "RSA-PSS"),
        ("-tls1_3", RSA_KEY, "RSA-PSS+SHA512", "SHA512", "RSA-PSS"),
        ("-tls1_3", EC_KEY, "ECDSA+SHA256", "SHA256", "ECDSA"),
        // Left to us: the cheap PKCS#1 v1.5 and not PSS, on module 4.2 under TLS 1.2.
        ("-tls1_2", RSA_KEY, "RSA-PSS+SHA256:RSA-PSS+SHA512:RSA+SHA512:RSA+SHA256", "SHA256", "RSA"),
    ];
    for (version, label, schemes, hash, kind) in cases {
        let name = format!("{version} {label} {schemes}");
        let Some(server) =
            OpensslServer::start(Some(&device.ca_pem()), &[version, "-client_sigalgs", schemes])
        else {
            return;
        };
        let identity = device.identity(label);
        let config = device.config(&identity, TlsVersions::Both, server.ca_pem());
        let before = device.signatures();
        let answer = exchange(config, server.port()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(answer, "olleh", "{name}");
        let made = device.signatures() - before;
        let most = if label == EC_KEY { 2 } else { 1 }; // one ECDSA signature in 200 comes out short, and is made again
        assert!((1..=most).contains(&made), "{name}: {made} signatures");
        let said = server.finish();
        assert!(said.contains(&format!("Hash used: {hash}\nSignature type: {kind}\n")), "{name}\n{said}");
        assert!(said.contains("Verification: OK"), "{name}\n{said}");
    }
}

#[test]
fn auto_spares_the_chip_and_can_be_overruled() {
    let device = Device::new();
    let cases = [
        // A server that speaks both: the RSA key on module 4.2 goes by TLS 1.2, the EC key by TLS 1.3.
        (RSA_KEY, TlsVersions::Auto, "TLSv1.2", "RSA"),
        (EC_KEY, TlsVersions::Auto, "TLSv1.3", "ECDSA"),
        (RSA_KEY, TlsVersions::Both, "TLSv1.3", "RSA-PSS"),
        (RSA_KEY, TlsVersions::Tls13, "TLSv1.3", "RSA-PSS"),
        (EC_KEY, TlsVersions::Tls12, "TLSv1.2", "ECDSA"),
    ];
    for (label, versions, spoken, kind) in cases {
        let Some(server) = OpensslServer::start(Some(&device.ca_pem()), &[]) else { return };
        let config = device.config(&device.identity(label), versions, server.ca_pem());
        assert_eq!(exchange(config, server.port()).unwrap(), "olleh", "{label} {versions:?}");
        let said = server.finish();
        assert!(said.contains(&format!("Protocol version: {spoken}\n")), "{label} {versions:?}\n{said}");
        assert!(said.contains(&format!("Signature type: {kind}\n")), "{label} {versions:?}\n{said}");
    }
}

#[test]
fn a_resumed_connection_needs_no_signature() {
    let device = Device::new();
    for version in ["-tls1_2", "-tls1_3"] {
        let Some(server) = OpensslServer::start(Some(&device.ca_pem()), &[version]) else { return };
        let config = device.config(&device.identity(RSA_KEY), TlsVersions::Both, server.ca_pem());
        let before = device.signatures();
        for _ in 0..3 {
            assert_eq!(exchange(config.clone(), server.port()).unwrap(), "olleh", "{version}");
        }
        assert_eq!(device.signatures() - before, 1, "{version}");
    }
}

/// Fault 11: the whole chain of a certificate file is sent.
#[test]
fn intermediates_are_sent_to_a_server_that_knows_only_the_root() {
    let device = Device::new();
    for version in ["-tls1_2", "-tls1_3"] {
        let Some(server) = OpensslServer::start(Some(&device.root_pem()), &[version]) else { return };
        let config = device.config(&device.identity_with_chain(EC_KEY), TlsVersions::Both, server.ca_pem());
        assert_eq!(exchange(config, server.port()).unwrap(), "olleh", "{version}: {}", server.finish());
    }
}

/// Fault 11: whether a certificate will do is for the server to say. `openssl x509 -req` makes X.509 version 1 where no
/// extension is asked for.
#[test]
fn a_certificate_of_version_1_is_presented() {
    let device = Device::new();
    let Some(openssl) = program("openssl") else { return };
    for (label, object) in [(RSA_KEY, "F0000110"), (EC_KEY, "F0000100")] {
        let key = device.chip.directory().join(format!("objects/{object}.key.pem"));
        let run = |arguments: &[&str]| {
            let mut command = std::process::Command::new(&openssl);
            output_of(command.args(arguments).arg(&key).current_dir(device.path("")))
        };
        run(&["req", "-new", "-subj", "/CN=v1", "-out", "v1.csr", "-key"]);
        let pem = run(&["x509", "-req", "-in", "v1.csr", "-days", "30", "-signkey"]);
        let certificate = device.certificate_file("v1.pem", &pem);
        let key = device.token.key(&label.parse().unwrap(), &certificate).unwrap();
        let identity = ClientIdentity::new(key, &certificate).unwrap();
        for version in ["-tls1_2", "-tls1_3"] {
            let pem = String::from_utf8(pem.clone()).unwrap();
            let Some(server) = OpensslServer::start(Some(&pem), &[version]) else { return };
            let config = device.config(&identity, TlsVersions::Both, server.ca_pem());
            let answer = exchange(config, server.port());
            assert_eq!(answer.unwrap(), "olleh", "{label} {version}: {}", server.finish());
        }
    }
}
