//! `se050-iot cert export`, run as a user does, on the simulated chip and on SoftHSM2.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::process::{Command, Output};

use se050_sim::Chip;
use test_peers::{KeyKind, Pki, PrivateKeyFile, SoftHsm, USER_PIN};

fn cert_export() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_se050-iot"));
    command.env_clear().args(["cert", "export"]);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn standard_output_holds_the_certificate_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    // The simulated module prints its log to standard output, as NXP's does.
    let chip = Chip::create(&directory.path().join("chip")).unwrap();
    let run = |arguments: &[&str]| -> Output {
        let mut command = cert_export();
        command.arg("--pkcs11-lib").arg(chip.module()).args(["--key-label", "sss:100100F0"]).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        output
    };
    let printed = run(&[]);
    assert!(printed.stdout.starts_with(b"-----BEGIN CERTIFICATE-----\n"), "{}", text(&printed.stdout));
    assert!(printed.stdout.ends_with(b"-----END CERTIFICATE-----\n"), "{}", text(&printed.stdout));
    let der = pem::parse(&printed.stdout).unwrap().into_contents();
    assert_eq!(der, chip.certificate(0xF000_0111).unwrap());

    let file = directory.path().join("device_cert.pem");
    let written = run(&["--output", file.to_str().unwrap()]);
    assert_eq!(text(&written.stdout), "");
    assert_eq!(fs::read(file).unwrap(), printed.stdout);
    assert_eq!(chip.calls().unwrap().signatures(), 0, "a certificate needs no signature");
}

#[test]
fn softhsm_asks_for_a_pin_and_two_keys_of_one_name_are_refused() {
    let Some(token) = SoftHsm::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let Some(key) = PrivateKeyFile::generate(directory.path(), "key", KeyKind::EcP256) else { return };
    let certificate = Pki::new().certify(&key.public_key(), "device");
    token.import_key(key.path(), "only", "01");
    token.import_certificate(&certificate, "only", "01");
    for id in ["02", "03"] {
        let Some(key) = PrivateKeyFile::generate(directory.path(), id, KeyKind::EcP256) else { return };
        token.import_key(key.path(), "twin", id);
    }
    let (variable, value) = token.environment();
    let run = |label: &str, pin: Option<&str>| -> Output {
        let mut command = cert_export();
        command.arg("--pkcs11-lib").arg(token.module()).args(["--key-label", label, "--cert-label", "only"]);
        command.env(variable, &value).envs(pin.map(|pin| ("SE050_PIN", pin))).output().unwrap()
    };

    let good = run("only", Some(USER_PIN));
    assert!(good.status.success(), "{}", text(&good.stderr));
    assert_eq!(pem::parse(&good.stdout).unwrap().contents(), certificate);

    let cases = [
        ("no PIN", run("only", None), "asks for a PIN"),
        ("wrong PIN", run("only", Some("0000")), "CKR_PIN_INCORRECT"),
        ("two keys", run("twin", Some(USER_PIN)), "2 objects"),
        ("no such key", run("nobody", Some(USER_PIN)), "no private key nobody"),
    ];
    for (name, output, expected) in cases {
        assert!(!output.status.success(), "{name}");
        assert!(text(&output.stderr).contains(expected), "{name}: {}", text(&output.stderr));
        assert!(!text(&output.stderr).contains("0000\n"), "{name}: the PIN is in the message");
    }
}
