//! Handshakes with OpenSSL's `s_server` and a key in SoftHSM2: every kind of key, every scheme, TLS 1.2 and 1.3.
//!
//! SoftHSM2 reads where its token lies from the process's environment, so the client is a process of its own: the
//! example `tls_client`.

use std::path::PathBuf;
use std::process::Command;

use test_peers::{KeyKind, OpensslServer, Pki, PrivateKeyFile, SoftHsm, USER_PIN, output_of};

#[test]
fn every_kind_of_key_with_every_scheme_over_both_versions() {
    let Some(token) = SoftHsm::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    let kinds = [
        (KeyKind::Rsa2048, "rsa-2048", "01"),
        (KeyKind::Rsa3072, "rsa-3072", "02"),
        (KeyKind::Rsa4096, "rsa-4096", "03"),
        (KeyKind::EcP256, "ec-p256", "04"),
        (KeyKind::EcP384, "ec-p384", "05"),
    ];
    for (kind, label, id) in kinds {
        let Some(key) = PrivateKeyFile::generate(directory.path(), label, kind) else { return };
        token.import_key(key.path(), label, id);
        token.import_certificate(&pki.certify(&key.public_key(), label), label, id);
    }
    // Each scheme that the server may force, and the keys that can make it.
    let rsa: &[&str] = &["rsa-2048", "rsa-3072", "rsa-4096"];
    let pkcs1 = ["RSA+SHA256", "RSA+SHA384", "RSA+SHA512"].map(|scheme| (scheme, "RSA", rsa));
    let pss = ["RSA-PSS+SHA256", "RSA-PSS+SHA384", "RSA-PSS+SHA512"].map(|scheme| (scheme, "RSA-PSS", rsa));
    let ecdsa: [(&str, &str, &[&str]); 2] =
        [("ECDSA+SHA256", "ECDSA", &["ec-p256"]), ("ECDSA+SHA384", "ECDSA", &["ec-p384"])];
    let tls12 = [&pkcs1[..], &pss, &ecdsa].concat();
    let tls13 = [&pss[..], &ecdsa].concat();
    for (option, version, cases) in [("-tls1_2", "1.2", tls12), ("-tls1_3", "1.3", tls13)] {
        for (scheme, kind, labels) in cases {
            let options = [option, "-client_sigalgs", scheme];
            let Some(server) = OpensslServer::start(Some(&pki.ca_pem()), &options) else { return };
            let ca_file = directory.path().join("server-ca.pem");
            std::fs::write(&ca_file, server.ca_pem()).unwrap();
            for label in labels {
                let (variable, value) = token.environment();
                let mut client = Command::new(example());
                client.env_clear().env(variable, value).env("SE050_PIN", USER_PIN);
                client.args(["localhost", &server.port().to_string()]).arg(&ca_file);
                client.arg(token.module()).args([label, version]);
                let said = String::from_utf8(output_of(&mut client)).unwrap();
                let spoken = version.replace('.', "_");
                assert_eq!(said, format!("Some(TLSv{spoken}): olleh\n"), "{label} {scheme}");
            }
            let said = server.finish();
            let signed = format!("Signature type: {kind}\n");
            assert_eq!(said.matches(&signed).count(), labels.len(), "{option} {scheme}\n{said}");
        }
    }
}

/// `cargo test` builds the examples beside the directory of the test programs.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples/tls_client")
}
