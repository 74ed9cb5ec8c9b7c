//! pubsub against mosquitto with required client certificates, TLS 1.2 only and TLS 1.3 only, with the key in the
//! simulated chip and in SoftHSM2.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use se050_sim::Chip;
use test_peers::{KeyKind, Mosquitto, Pki, PrivateKeyFile, SoftHsm, TlsVersion, USER_PIN, program};

const VERSIONS: [TlsVersion; 2] = [TlsVersion::Tls12, TlsVersion::Tls13];

#[test]
fn the_key_in_the_simulated_chip() {
    let directory = tempfile::tempdir().unwrap();
    let chip = Chip::create(&directory.path().join("chip")).unwrap();
    for version in VERSIONS {
        let Some(broker) = Mosquitto::start(&chip.ca_pem().unwrap(), version) else { return };
        if !speaks_only(&broker, version) {
            return;
        }
        for label in ["sss:100100F0", "sss:000100F0"] {
            let before = chip.calls().unwrap().signatures();
            run_pubsub(&broker, directory.path(), |pubsub| {
                pubsub.arg("--pkcs11-lib").arg(chip.module()).args(["--key-label", label]);
                // Left to itself, an RSA key on this version of the module goes by TLS 1.2.
                pubsub.args(if version == TlsVersion::Tls13 { &["--tls-version", "1.3"][..] } else { &[] });
            });
            let signatures = chip.calls().unwrap().signatures() - before;
            // A shortened ECDSA signature, one in 200, is made a second time.
            let expected = if label == "sss:100100F0" { 1..=1 } else { 1..=2 };
            assert!(expected.contains(&signatures), "{label} over {version:?}: {signatures} signatures");
        }
    }
}

#[test]
fn the_key_in_softhsm() {
    let Some(token) = SoftHsm::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    let at = |name: &str| directory.path().join(name);
    for (kind, label, id) in [(KeyKind::Rsa2048, "rsa-key", "01"), (KeyKind::EcP256, "ec-key", "02")] {
        let Some(key) = PrivateKeyFile::generate(directory.path(), label, kind) else { return };
        token.import_key(key.path(), label, id);
        token.import_certificate(&pki.certify(&key.public_key(), label), label, id);
    }
    fs::write(at("pin"), USER_PIN).unwrap();
    fs::set_permissions(at("pin"), fs::Permissions::from_mode(0o600)).unwrap();
    for version in VERSIONS {
        let Some(broker) = Mosquitto::start(&pki.ca_pem(), version) else { return };
        if !speaks_only(&broker, version) {
            return;
        }
        let (variable, value) = token.environment();
        run_pubsub(&broker, directory.path(), |pubsub| {
            pubsub.arg("--pkcs11-lib").arg(token.module()).args(["--key-label", "rsa-key"]);
            pubsub.env(variable, &value).env("SE050_PIN", USER_PIN);
        });
        run_pubsub(&broker, directory.path(), |pubsub| {
            pubsub.arg("--pkcs11-lib").arg(token.module()).args(["--key-label", "ec-key"]);
            pubsub.env(variable, &value).arg("--pin-file").arg(at("pin"));
        });
    }
}

/// Runs pubsub; it has to send 10 messages, get them back, and have nothing to complain about.
pub(crate) fn run_pubsub(broker: &Mosquitto, directory: &Path, token: impl FnOnce(&mut Command)) {
    let mut pubsub = pubsub(broker, directory);
    token(&mut pubsub);
    let output = pubsub.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{pubsub:?}\n{out}{err}\nmosquitto:\n{}", broker.log());
    assert!(out.ends_with("sent 10, received 10\n"), "{out}");
    assert_eq!(err, "", "a run that goes well says nothing on standard error");
}

/// pubsub, told to trust the broker.
fn pubsub(broker: &Mosquitto, directory: &Path) -> Command {
    let ca_file = directory.join("broker-ca.pem");
    fs::write(&ca_file, broker.server_ca_pem()).unwrap();
    let mut pubsub = Command::new(env!("CARGO_BIN_EXE_pubsub"));
    pubsub
        .env_clear()
        .args(["--endpoint", "localhost", "--port", &broker.port().to_string(), "--ca-file"])
        .arg(ca_file);
    pubsub
}

/// Whether OpenSSL, too, finds the listener to speak that version and not the other; `false` without OpenSSL.
fn speaks_only(broker: &Mosquitto, version: TlsVersion) -> bool {
    let Some(openssl) = program("openssl") else { return false };
    for (option, spoken) in [("-tls1_2", TlsVersion::Tls12), ("-tls1_3", TlsVersion::Tls13)] {
        let output = Command::new(&openssl)
            .args(["s_client", option, "-connect", &format!("localhost:{}", broker.port())])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            text.contains("BEGIN CERTIFICATE"),
            spoken == version,
            "{option} on a listener for {version:?}\n{text}"
        );
    }
    true
}

#[test]
fn a_broker_for_tls_1_3_only_and_a_key_that_avoids_it_are_explained() {
    let directory = tempfile::tempdir().unwrap();
    let chip = Chip::create(&directory.path().join("chip")).unwrap();
    let Some(broker) = Mosquitto::start(&chip.ca_pem().unwrap(), TlsVersion::Tls13) else { return };
    let mut pubsub = pubsub(&broker, directory.path());
    let output =
        pubsub.arg("--pkcs11-lib").arg(chip.module()).args(["--key-label", "sss:100100F0"]).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(err.contains("--tls-version") && !err.contains("TlsVersions"), "{err}");
}
