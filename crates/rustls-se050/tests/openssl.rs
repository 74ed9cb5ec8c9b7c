//! Handshakes with OpenSSL's `s_server`, which forces one signature scheme after the other; keys in the simulated chip.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use rustls_se050::TlsVersions;
use support::{Device, EC_KEY, RSA_KEY, exchange};
use test_peers::OpensslServer;

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

#[test]
fn what_does_not_fit_is_explained() {
    let device = Device::new();
    let ca = device.ca_pem();
    let cases: [(&str, &str, TlsVersions, &[&str], &str); 5] = [
        ("a server for TLS 1.3 only", RSA_KEY, TlsVersions::Auto, &["-tls1_3"], "TlsVersions::Tls13"),
        ("a server for TLS 1.2 only", EC_KEY, TlsVersions::Tls13, &["-tls1_2"], "TlsVersions::Both"),
        (
            "no scheme of an RSA key",
            RSA_KEY,
            TlsVersions::Tls13,
            &["-tls1_3", "-client_sigalgs", "ECDSA+SHA256"],
            "none of the signatures",
        ),
        (
            "no scheme of a P-256 key",
            EC_KEY,
            TlsVersions::Tls13,
            &["-tls1_3", "-client_sigalgs", "RSA-PSS+SHA256"],
            "none of the signatures",
        ),
        (
            "no scheme under TLS 1.2",
            EC_KEY,
            TlsVersions::Tls12,
            &["-tls1_2", "-client_sigalgs", "RSA+SHA256"],
            "none of the signatures",
        ),
    ];
    for (name, label, versions, options, expected) in cases {
        let Some(server) = OpensslServer::start(Some(&ca), options) else { return };
        let identity = device.identity(label);
        let config = device.config(&identity, versions, server.ca_pem());
        let error = exchange(config, server.port()).expect_err(name);
        let explained =
            identity.explain(&error).unwrap_or_else(|| panic!("{name}: {error:?}\n{}", server.finish()));
        assert!(explained.contains(expected), "{name}: {explained}");
    }
}

#[test]
fn a_server_of_other_issuers_refuses_and_that_is_explained() {
    let device = Device::new();
    let others = test_peers::Pki::new();
    for version in ["-tls1_2", "-tls1_3"] {
        let Some(server) = OpensslServer::start(Some(&others.ca_pem()), &[version]) else { return };
        let identity = device.identity(RSA_KEY);
        let config = device.config(&identity, TlsVersions::Both, server.ca_pem());
        let error = exchange(config, server.port()).expect_err(version);
        let explained = identity.explain(&error).unwrap_or_else(|| panic!("{version}: {error:?}"));
        assert!(explained.contains("lists the issuers"), "{version}: {explained}");
    }
}

#[test]
fn a_server_that_asks_for_no_certificate_gets_none_and_that_can_be_seen() {
    let device = Device::new();
    let Some(server) = OpensslServer::start(None, &[]) else { return };
    let identity = device.identity(EC_KEY);
    let config = device.config(&identity, TlsVersions::Both, server.ca_pem());
    assert_eq!(exchange(config, server.port()).unwrap(), "olleh");
    assert_eq!((identity.requests_seen(), device.signatures()), (0, 0));
    assert!(server.finish().contains("No peer certificate"));
}

#[test]
fn intermediates_are_sent_to_a_server_that_knows_only_the_root() {
    let device = Device::new();
    let root = device.root_pem();
    for (intermediates, works) in [(true, true), (false, false)] {
        let Some(server) = OpensslServer::start(Some(&root), &[]) else { return };
        let identity =
            if intermediates { device.identity_with_chain(EC_KEY) } else { device.identity(EC_KEY) };
        let config = device.config(&identity, TlsVersions::Both, server.ca_pem());
        assert_eq!(exchange(config, server.port()).is_ok(), works, "{}", server.finish());
    }
}
