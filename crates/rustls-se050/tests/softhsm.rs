//! Handshakes with OpenSSL's `s_server` and a key in SoftHSM2: every kind of key, TLS 1.2 and 1.3.
//!
//! SoftHSM2 reads where its token lies from the process's environment, so the client is a process of its own: the
//! example `tls_client`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::PathBuf;
use std::process::Command;

use test_peers::{KeyKind, OpensslServer, Pki, PrivateKeyFile, SoftHsm, USER_PIN, output_of};

#[test]
fn every_kind_of_key_over_both_versions() {
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
    for (option, version, spoken) in [("-tls1_2", "1.2", "TLSv1_2"), ("-tls1_3", "1.3", "TLSv1_3")] {
        let Some(server) = OpensslServer::start(Some(&pki.ca_pem()), &[option]) else { return };
        let ca_file = directory.path().join("server-ca.pem");
        std::fs::write(&ca_file, server.ca_pem()).unwrap();
        for (_, label, _) in kinds {
            let (variable, value) = token.environment();
            let mut client = Command::new(example());
            client.env_clear().env(variable, value).env("SE050_PIN", USER_PIN);
            client
                .args(["localhost", &server.port().to_string()])
                .arg(&ca_file)
                .arg(token.module())
                .args([label, version]);
            assert_eq!(
                String::from_utf8(output_of(&mut client)).unwrap(),
                format!("Some({spoken}): olleh\n"),
                "{label}"
            );
        }
    }
}

/// `cargo test` builds the examples beside the directory of the test programs.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples/tls_client")
}
