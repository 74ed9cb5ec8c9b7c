//! The command line of Atmark's how-to works as it stands, against the local AWS IoT Core.

use std::fs;
use std::process::{Command, Output};

use aws_iot_sim::AwsIotSim;
use device_identity::DeviceConfig;
use se050_key::Certificate;
use se050_sim::Chip;

/// The how-to's policy.
pub(crate) const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

pub(crate) struct Device {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) chip: Chip,
    pub(crate) cloud: AwsIotSim,
}

/// A device whose certificate is registered, with the two files that the how-to makes.
pub(crate) fn device() -> Device {
    let directory = tempfile::tempdir().unwrap();
    let chip = Chip::create(&directory.path().join("chip")).unwrap();
    let cloud = AwsIotSim::start().unwrap();
    fs::write(directory.path().join("device.der"), chip.certificate(0xF000_0111).unwrap()).unwrap();
    let certificate = Certificate::from_file(&directory.path().join("device.der")).unwrap().to_pem();
    cloud.admit(&certificate, "dev1", POLICY).unwrap();
    fs::write(directory.path().join("device_cert.pem"), certificate).unwrap();
    fs::write(directory.path().join("AmazonRootCA1.pem"), cloud.ca_pem()).unwrap();
    Device { directory, chip, cloud }
}

fn pubsub(device: &Device, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pubsub"));
    command.env_clear().current_dir(device.directory.path()).args(arguments);
    command.args(["--port", &device.cloud.port().to_string()]).output().unwrap()
}

#[test]
fn the_flags_of_the_how_to() {
    let device = device();
    let module = device.chip.module();
    let output = pubsub(
        &device,
        &[
            "--endpoint",
            device.cloud.endpoint(),
            "--ca_file",
            "AmazonRootCA1.pem",
            "--cert",
            "device_cert.pem",
            "--pkcs11_lib",
            module.to_str().unwrap(),
            "--key_label",
            "sss:100100F0",
            "--pin",
            "",
            "--verbosity",
            "Info",
        ],
    );
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    // The simulated module prints its log to standard output, as NXP's does: none of it may get among ours.
    assert!(out.starts_with("connected to ") && out.ends_with("sent 10, received 10\n"), "{out}");
    assert!(!err.contains("WARN aws_iot") && !err.contains("ERROR aws_iot"), "{err}");
    assert_eq!(device.chip.calls().unwrap().signatures(), 1);
}

#[test]
fn a_pin_on_the_command_line_is_refused_and_not_repeated() {
    let device = device();
    let output =
        pubsub(&device, &["--endpoint", "localhost", "--key-label", "sss:100100F0", "--pin", "94853"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("--pin-file"), "{err}");
    assert!(!err.contains("94853"), "{err}");
}

#[test]
fn a_certificate_of_another_key_is_found_out_before_connecting() {
    let device = device();
    let module = device.chip.module();
    let output = pubsub(
        &device,
        &[
            "--endpoint",
            device.cloud.endpoint(),
            "--ca-file",
            "AmazonRootCA1.pem",
            "--cert",
            "device_cert.pem",
            "--pkcs11-lib",
            module.to_str().unwrap(),
            "--key-label",
            "sss:000100F0",
        ],
    );
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(err.contains("does not belong to the key sss:000100F0"), "{err}");
    assert_eq!(device.chip.calls().unwrap().signatures(), 0);
}

#[test]
fn the_device_configuration_takes_the_place_of_the_flags() {
    let device = device();
    let mut config = DeviceConfig::new(device.cloud.endpoint(), "dev1", "sss:100100F0");
    config.topic_prefix = "plant-7/dev1".to_owned();
    config.ca_file = Some("AmazonRootCA1.pem".to_owned());
    config.key.certificate = Some("sss:110100F0".to_owned());
    config.key.pkcs11_lib = Some(device.chip.module().display().to_string());
    fs::write(device.directory.path().join("device.toml"), config.to_toml().unwrap()).unwrap();

    let output = pubsub(&device, &["--config", "device.toml"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(out.contains(" as dev1\nsubscribed to plant-7/dev1/pubsub\n"), "{out}");

    // A flag comes before it; and another key is not tried with this key's certificate.
    let output = pubsub(&device, &["--config", "device.toml", "--topic", "t", "--key-label", "sss:140100F0"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success(), "{out}");
    assert!(err.contains("sss:140100F0") || err.contains("F0000114"), "{err}");
}

#[test]
fn a_device_configuration_that_cannot_be_used_is_told_by_its_name() {
    let device = device();
    fs::write(device.directory.path().join("broken.toml"), "version = 1\nendpoint = \"e\"\n").unwrap();
    for (arguments, says) in [
        (&["--config", "missing.toml"][..], "missing.toml"),
        (&["--config", "broken.toml"], "--config broken.toml"),
        (&[], "--endpoint <HOST>"),
    ] {
        let output = pubsub(&device, arguments);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && err.contains(says), "{err}");
    }
}
