//! `se050-iot identity`, as factory staff use it: in a loop over scanned serial numbers, and offline.

use std::fs;

#[cfg(feature = "provision")]
use std::os::unix::fs::PermissionsExt as _;

use se050_sim::Chip;
#[cfg(feature = "provision")]
use test_peers::{KeyKind, Pki, PrivateKeyFile, SoftHsm, TOKEN_LABEL, USER_PIN};

#[cfg(feature = "provision")]
use crate::support::printed::{commands_in, run_in_shell};
use crate::support::{Device, Operator, text};

/// The arguments that name a new chip in the operator's directory.
fn chip(station: &Operator, name: &str) -> Vec<String> {
    let chip = Chip::create(&station.path(name)).unwrap();
    vec!["--pkcs11-lib".to_owned(), chip.module().display().to_string()]
}

fn with<'a>(arguments: &[&'a str], chip: &'a [String]) -> Vec<&'a str> {
    arguments.iter().copied().chain(chip.iter().map(String::as_str)).collect()
}

#[test]
fn a_loop_over_serial_numbers_gets_one_line_a_device() {
    let station = Operator::new(Vec::new());
    let (first, second) = (chip(&station, "first"), chip(&station, "second"));
    let export = |serial: &str, chip: &[String]| {
        let output = station.run(&with(&["identity", "export", "--dir", "out", "--serial", serial], chip));
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    // A scanner may end what it read with a carriage return.
    let (good, line, said) = export("00C0A1\r", &first);
    assert!(good && line.lines().count() == 1, "{line}{said}");
    assert!(line.starts_with("PASS 00C0A1 ") && line.ends_with(" out/00C0A1.json\n"), "{line}");
    let written = fs::read(station.path("out/00C0A1.json")).unwrap();

    let (good, line, _) = export("00C0A1", &second);
    assert!(!good && line.lines().count() == 1, "{line}");
    assert!(line.starts_with("FAIL 00C0A1 out/00C0A1.json holds the bundle of serial 00C0A1"), "{line}");
    assert!(line.contains("check the serial number"), "{line}");
    assert_eq!(fs::read(station.path("out/00C0A1.json")).unwrap(), written, "it was left as it is");

    assert!(export("00C0A1", &first).0, "the same device again");
    let (good, line, said) = export("../00C0A2", &first);
    assert!(!good && said.contains("cannot be a file's name"), "{line}{said}");
    let (good, line, _) = export("00C0A3", &["--pkcs11-lib".to_owned(), "/none.so".to_owned()]);
    assert!(!good && line.starts_with("FAIL 00C0A3 ") && line.contains("/none.so"), "{line}");
    assert!(!station.path("out/00C0A3.json").exists());
    let names: Vec<_> =
        fs::read_dir(station.path("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["00C0A1.json"], "nothing is left beside it");
}

#[test]
fn a_file_with_something_else_in_it_is_left_as_it_is() {
    let station = Operator::new(Vec::new());
    let chip = chip(&station, "chip");
    station.write("notes.txt", "do not lose this");
    station.write("other.json", Device::new().bundle("0001"));
    for file in ["notes.txt", "other.json"] {
        let before = fs::read(station.path(file)).unwrap();
        let export = with(&["identity", "export", "--serial", "0001", "-o", file], &chip);
        let error = station.fails(1, &export);
        assert!(error.contains(file) && error.contains("--force"), "{error}");
        assert_eq!(fs::read(station.path(file)).unwrap(), before);
        station.good(&[&export[..], &["--force"]].concat());
        assert_ne!(fs::read(station.path(file)).unwrap(), before);
    }
    // The old name of the command.
    station.good(&with(&["enroll", "--serial", "0001", "-o", "0001.json"], &chip));
}

#[test]
fn verify_and_list_need_no_network() {
    let station = Operator::new(Vec::new());
    let (a, b) = (Device::new(), Device::new());
    let bundle = a.bundle("0001");
    station.write("in/a.json", &bundle);
    station.write("in/b.json", b.bundle("=1+1"));
    let good = station.good(&["identity", "verify", "in/a.json", "in/b.json"]);
    let id = a.certificate.fingerprint();
    assert_eq!(
        good.lines().next().unwrap(),
        format!("PASS in/a.json 0001 {id} proof of possession holds, issuer not verified")
    );
    let csv = station.good(&["identity", "list", "--csv", "in"]);
    // A spreadsheet does not take the second serial number for a formula.
    let other = b.certificate.fingerprint();
    assert_eq!(csv, format!("serial,fingerprint\n0001,{id}\n'=1+1,{other}\n"));

    station.write("in/changed.json", bundle.replace("0001", "0002"));
    station.write("in/bare.pem", a.certificate.to_pem());
    let output = station.run(&["identity", "verify", "in", "--require-proof"]);
    let lines = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{lines}");
    let verdicts: Vec<&str> = lines.lines().map(|line| &line[..4]).collect();
    assert_eq!(verdicts, ["PASS", "PASS", "FAIL", "FAIL"], "{lines}");
    assert!(
        lines.contains("FAIL in/changed.json proof of possession: the signature does not match"),
        "{lines}"
    );
    let output = station.run(&["identity", "list", "--csv", "in"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(3), csv), "only what holds is listed");
    assert!(text(&output.stderr).contains("in/changed.json: left out"), "{}", text(&output.stderr));
    let (verdict, status) = station.json(&["identity", "verify", "in/a.json", "--proof-max-age", "1h"]);
    assert_eq!(
        (status, &verdict["good"], &verdict["identities"][0]["certificateId"]),
        (Some(0), &true.into(), &id.into())
    );
}

/// The word behind `name = ` in a device configuration.
#[cfg(feature = "provision")]
fn member(config: &str, name: &str) -> Option<String> {
    let line = config.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")))?;
    Some(line.trim_matches('"').to_owned())
}

#[cfg(feature = "provision")]
#[test]
fn the_next_command_that_export_prints_runs() {
    let sim = aws_iot_sim::AwsIotSim::start().unwrap();
    let operator = Operator::new(sim.environment());
    let chip = chip(&operator, "chip");
    for (name, file, says) in [
        (["--serial", "00C0A1"], "00C0A1.json", "thing 00C0A1"),
        (["--serial", "00 C0/A2"], "with space.json", "thing "),
        (["--thing-name", "gw-3"], "it's.json", "thing gw-3"),
    ] {
        let export = [&["identity", "export", "-o", file], &name[..]].concat();
        let output = operator.run(&with(&export, &chip));
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        let next = commands_in(&said);
        assert_eq!(next.len(), 1, "{said}");
        let printed = run_in_shell(&operator, &next[0]);
        assert!(printed.contains(says), "{next:?}: {printed}");
    }
}

#[cfg(feature = "provision")]
#[test]
fn the_device_configuration_names_key_certificate_and_module() {
    let sim = aws_iot_sim::AwsIotSim::start().unwrap();
    let operator = Operator::new(sim.environment());
    let chip = chip(&operator, "chip");
    // The EC P-256 key, with its certificate named explicitly.
    let labels = ["--key-label", "sss:000100F0", "--cert-label", "sss:010100F0"];
    let export = [&["identity", "export", "--serial", "1", "-o", "1.json"], &labels[..]].concat();
    operator.good(&with(&export, &chip));
    let config = |file: &str, thing: &str| {
        let provision =
            ["provision", "--certificate", file, "--thing-name", thing, "--device-config", "device.toml"];
        operator.good(&provision);
        fs::read_to_string(operator.path("device.toml")).unwrap()
    };
    let toml = config("1.json", "bundle");
    let found = ["label", "certificate", "pkcs11_lib"].map(|name| member(&toml, name).unwrap_or_default());
    assert_eq!(found, ["sss:000100F0", "sss:010100F0", chip[1].as_str()], "{toml}");

    // Without a bundle, the factory key of the certificate's kind.
    operator.good(&with(&["cert", "export", "--key-label", "sss:100100F0", "-o", "rsa.pem"], &chip));
    operator.write("ec.pem", Device::new().certificate.to_pem());
    for (file, label) in [("rsa.pem", "sss:100100F0"), ("ec.pem", "sss:000100F0")] {
        let toml = config(file, &file[..2]);
        assert_eq!(member(&toml, "label").as_deref(), Some(label), "{toml}");
    }
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    operator.write("p384.pem", certificate.pem());
    let provision =
        ["provision", "--certificate", "p384.pem", "--thing-name", "p384", "--device-config", "d.toml"];
    let output = operator.run(&provision);
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains("identity export"), "{said}");
    assert!(!text(&output.stdout).contains("+ thing"), "nothing was registered: {}", text(&output.stdout));
}

/// Fault: what `identity export` was told of token and PIN was dropped on the way to the device's programs.
#[cfg(feature = "provision")]
#[test]
fn each_selector_of_export_arrives_at_the_devices_programs() {
    let Some(token) = SoftHsm::new() else { return };
    let sim = aws_iot_sim::AwsIotSim::start().unwrap();
    let mut environment = sim.environment();
    let (variable, value) = token.environment();
    environment.push((variable.to_owned(), value.display().to_string()));
    let operator = Operator::new(environment);
    let Some(key) = PrivateKeyFile::generate(&operator.path(""), "key", KeyKind::EcP256) else { return };
    token.import_key(key.path(), "my key", "05");
    token.import_certificate(&Pki::new().certify(&key.public_key(), "dev1"), "its certificate", "06");
    operator.write("pin", USER_PIN);
    fs::set_permissions(operator.path("pin"), fs::Permissions::from_mode(0o600)).unwrap();

    let module = token.module().display().to_string();
    let selectors = ["--key-label", "my key", "--cert-label", "its certificate", "--pkcs11-lib", &module];
    let of_token = ["--token-label", TOKEN_LABEL, "--pin-file", "pin"];
    let export = ["identity", "export", "--thing-name", "dev1", "-o", "1.json"];
    operator.good(&[&export[..], &selectors, &of_token].concat());
    operator.good(&["provision", "--certificate", "1.json", "--device-config", "device.toml"]);
    let toml = fs::read_to_string(operator.path("device.toml")).unwrap();
    let pin = operator.path("pin").display().to_string();
    for (name, wanted) in [
        ("label", "my key"),
        ("certificate", "its certificate"),
        ("pkcs11_lib", &module),
        ("token_label", TOKEN_LABEL),
        ("pin_file", &pin),
    ] {
        assert_eq!(member(&toml, name).as_deref(), Some(wanted), "{toml}");
    }
    assert!(operator.good(&["cert", "show", "--config", "device.toml"]).contains("my key"));
    let said = operator.good(&["provision", "--certificate", "1.json"]);
    let on_the_command_line = format!("--token-label {TOKEN_LABEL} --pin-file {pin}\n");
    assert!(said.contains(&on_the_command_line), "{said}");
}
