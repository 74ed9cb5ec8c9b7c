//! A device application outside the workspace, which depends on the crates by path, is built and run as its author would.

use std::fs;
use std::path::Path;
use std::process::Command;

use aws_iot_sim::AwsIotSim;
use device_identity::DeviceConfig;
use se050_key::Certificate;
use se050_sim::Chip;
use test_peers::output_of;

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":"iot:Connect","Resource":"arn:aws:iot:*:*:client/dev1"},
    {"Effect":"Allow","Action":"iot:Publish","Resource":"arn:aws:iot:*:*:topic/dev1/*"}]}"#;

#[test]
fn examples_device_app_publishes_a_reading() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let application = root.join("examples/device-app");
    let build = Path::new(env!("CARGO_TARGET_TMPDIR")).join("device-app");
    // The application has no lock file of its own in the repository: the project's says which versions were tested.
    fs::copy(root.join("Cargo.lock"), application.join("Cargo.lock")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--offline"]).current_dir(&application);
    output_of(cargo.env("CARGO_TARGET_DIR", &build).env("CARGO_PROFILE_DEV_DEBUG", "0"));

    let directory = tempfile::tempdir().unwrap();
    let chip = Chip::create(&directory.path().join("chip")).unwrap();
    let cloud = AwsIotSim::start().unwrap();
    fs::write(directory.path().join("device.der"), chip.certificate(0xF000_0111).unwrap()).unwrap();
    let certificate = Certificate::from_file(&directory.path().join("device.der")).unwrap();
    cloud.admit(&certificate.to_pem(), "dev1", POLICY).unwrap();

    // As `se050-iot provision --device-config` writes it.
    let mut config = DeviceConfig::new(cloud.endpoint(), "dev1", "sss:100100F0");
    config.port = cloud.port();
    config.ca_file = Some(cloud.ca_file().display().to_string());
    config.key.pkcs11_lib = Some(chip.module().display().to_string());
    fs::write(directory.path().join("device.toml"), config.to_toml().unwrap()).unwrap();
    let program = build.join("debug/device-app");
    output_of(Command::new(&program).current_dir(directory.path()));
    assert_eq!(chip.calls().unwrap().signatures(), 1);

    let missing = Command::new(&program).arg("none.toml").output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("none.toml"), "{missing:?}");
}
