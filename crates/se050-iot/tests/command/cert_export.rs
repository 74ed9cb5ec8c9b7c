//! `se050-iot cert export`, run as a user does, on the simulated chip and on SoftHSM2.

use std::fs;
use std::process::Output;

use crate::support::{Operator, text};
use se050_sim::Chip;
use test_peers::{KeyKind, Pki, PrivateKeyFile, SoftHsm, USER_PIN};

/// Nothing of AWS is in reach: the device's side needs none of it.
fn device() -> Operator {
    Operator::new(Vec::new())
}

#[test]
fn standard_output_holds_the_certificate_and_nothing_else() {
    let device = device();
    // The simulated module prints its log to standard output, as NXP's does.
    let chip = Chip::create(&device.path("chip")).unwrap();
    let module = chip.module().display().to_string();
    let run = |arguments: &[&str]| -> Output {
        let fixed = ["cert", "export", "--pkcs11-lib", &module, "--key-label", "sss:100100F0"];
        let output = device.run(&[&fixed, arguments].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        output
    };
    let printed = run(&[]);
    assert!(printed.stdout.starts_with(b"-----BEGIN CERTIFICATE-----\n"), "{}", text(&printed.stdout));
    assert!(printed.stdout.ends_with(b"-----END CERTIFICATE-----\n"), "{}", text(&printed.stdout));
    let der = pem::parse(&printed.stdout).unwrap().into_contents();
    assert_eq!(der, chip.certificate(0xF000_0111).unwrap());

    let written = run(&["--output", "device_cert.pem"]);
    assert_eq!(text(&written.stdout), "");
    assert_eq!(fs::read(device.path("device_cert.pem")).unwrap(), printed.stdout);
    assert_eq!(chip.calls().unwrap().signatures(), 0, "a certificate needs no signature");
}

#[test]
fn softhsm_asks_for_a_pin_and_two_keys_of_one_name_are_refused() {
    let Some(token) = SoftHsm::new() else { return };
    let device = device();
    let Some(key) = PrivateKeyFile::generate(&device.path(""), "key", KeyKind::EcP256) else { return };
    let certificate = Pki::new().certify(&key.public_key(), "device");
    token.import_key(key.path(), "only", "01");
    token.import_certificate(&certificate, "only", "01");
    for id in ["02", "03"] {
        let Some(key) = PrivateKeyFile::generate(&device.path(""), id, KeyKind::EcP256) else { return };
        token.import_key(key.path(), "twin", id);
    }
    let (variable, value) = token.environment();
    let run = |label: &str, pin: Option<&str>| -> Output {
        let mut command = device.command(&["cert", "export", "--key-label", label, "--cert-label", "only"]);
        command.arg("--pkcs11-lib").arg(token.module());
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
