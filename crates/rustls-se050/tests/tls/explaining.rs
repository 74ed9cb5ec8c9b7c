//! What a refused handshake has to do with the identity, in words.

use rustls_se050::{Explanation, TlsVersions};
use test_peers::{OpensslServer, Pki};

use crate::support::{Device, EC_KEY, RSA_KEY, exchange};

#[test]
fn what_does_not_fit_is_explained() {
    let device = Device::new();
    let ca = device.ca_pem();
    let cases: [(&str, &str, TlsVersions, &[&str], &str); 5] = [
        ("a server for TLS 1.3 only", RSA_KEY, TlsVersions::Auto, &["-tls1_3"], "choose TLS 1.3 explicitly"),
        ("a server for TLS 1.2 only", EC_KEY, TlsVersions::Tls13, &["-tls1_2"], "choose the version"),
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
        assert!(explained.to_string().contains(expected), "{name}: {explained}");
    }
}

/// Fault 11: an unknown issuer may mean that the intermediate certificate is missing.
#[test]
fn a_server_that_does_not_know_the_issuer_is_explained() {
    let device = Device::new();
    let others = Pki::new().ca_pem();
    let root = device.root_pem();
    for version in ["-tls1_2", "-tls1_3"] {
        for (name, client_ca, identity, sent) in [
            ("other issuers", &others, device.identity(RSA_KEY), false),
            ("the intermediate is missing", &root, device.identity(EC_KEY), false),
            ("other issuers than the chain's", &others, device.identity_with_chain(EC_KEY), true),
        ] {
            let Some(server) = OpensslServer::start(Some(client_ca), &[version]) else { return };
            let config = device.config(&identity, TlsVersions::Both, server.ca_pem());
            let error = exchange(config, server.port()).expect_err(name);
            let explained = identity.explain(&error);
            let Some(Explanation::Issuer { not_listed, intermediates, .. }) = explained else {
                panic!("{name}, {version}: {error:?}, {explained:?}");
            };
            assert_eq!((not_listed, intermediates), (!sent, sent), "{name}, {version}");
        }
    }
}

#[test]
fn a_server_that_asks_for_no_certificate_gets_none() {
    let device = Device::new();
    let Some(server) = OpensslServer::start(None, &[]) else { return };
    let config = device.config(&device.identity(EC_KEY), TlsVersions::Both, server.ca_pem());
    assert_eq!(exchange(config, server.port()).unwrap(), "olleh");
    assert_eq!(device.signatures(), 0);
    assert!(server.finish().contains("No peer certificate"));
}
