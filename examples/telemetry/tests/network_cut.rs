//! Readings go on while the broker is away, and follow when it is back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use aws_iot_sim::AwsIotSim;
use device_identity::DeviceConfig;
use se050_sim::Chip;

const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

#[test]
fn readings_are_buffered_through_a_cut_and_none_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let chip = Chip::create(&directory.path().join("chip")).unwrap();
    let cloud = AwsIotSim::start().unwrap();
    let der = chip.certificate(0xF000_0111).unwrap();
    fs::write(directory.path().join("device.der"), der).unwrap();
    let certificate = se050_key::Certificate::from_file(&directory.path().join("device.der")).unwrap();
    cloud.admit(&certificate.to_pem(), "gw-1", POLICY).unwrap();

    let mut config = DeviceConfig::new(cloud.endpoint(), "gw-1", "sss:100100F0");
    config.port = cloud.port();
    config.ca_file = Some(cloud.ca_file().display().to_string());
    config.key.pkcs11_lib = Some(chip.module().display().to_string());
    let config_file = directory.path().join("device.toml");
    fs::write(&config_file, config.to_toml().unwrap()).unwrap();

    let mut telemetry = Command::new(env!("CARGO_BIN_EXE_telemetry"))
        .env_clear()
        .args(["--count", "40", "--interval", "0.05", "--config"])
        .arg(&config_file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(telemetry.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut seen = Vec::new();
    let mut until = |wanted: &str| {
        for line in lines.by_ref() {
            seen.push(line.clone());
            if line.starts_with(wanted) {
                return line;
            }
        }
        panic!("no line '{wanted}' in {seen:#?}");
    };
    until("connected");
    until("reading");
    assert!(cloud.disconnect("gw-1"));
    assert!(until("offline: ").contains("administrative action"));
    until("reading");
    until("connected");
    assert_eq!(until("sent "), "sent 40, acknowledged 40, dropped 0, reconnects 1");
    let output = telemetry.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    assert!(!complaints.contains("ERROR aws_iot"), "{complaints}");
}
