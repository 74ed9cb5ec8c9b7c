//! Messages are received, also those that came while the program was not running.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_iot_sim::AwsIotSim;
use device_identity::DeviceConfig;
use se050_sim::Chip;
use test_peers::Running;

const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
const PATIENCE: Duration = Duration::from_secs(60);

fn start(config: &Path) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_subscriber"));
    Running::start(command.env_clear().arg("--config").arg(config).stderr(Stdio::null()))
}

/// Waits for that line; `meanwhile` is done again and again.
#[track_caller]
fn until(subscriber: &Running, wanted: &str, meanwhile: impl Fn()) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        meanwhile();
        if subscriber.lines.within(Duration::from_millis(200)).is_some_and(|line| line == wanted) {
            return;
        }
    }
    panic!("no line {wanted:?} within {PATIENCE:?}");
}

#[test]
fn what_was_sent_while_the_program_was_not_running_comes_when_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let chip = Chip::create(&directory.path().join("chip")).unwrap();
    let cloud = AwsIotSim::start().unwrap();
    let der = directory.path().join("device.der");
    fs::write(&der, chip.certificate(0xF000_0111).unwrap()).unwrap();
    let certificate = se050_key::Certificate::from_file(&der).unwrap();
    cloud.admit(&certificate.to_pem(), "gw-1", POLICY).unwrap();
    let mut config = DeviceConfig::new(cloud.endpoint(), "gw-1", "sss:100100F0");
    config.port = cloud.port();
    config.ca_file = Some(cloud.ca_file().display().to_string());
    config.key.pkcs11_lib = Some(chip.module().display().to_string());
    let file = directory.path().join("device.toml");
    fs::write(&file, config.to_toml().unwrap()).unwrap();

    let subscriber = start(&file);
    until(&subscriber, "connected, session new", || {});
    // Until the subscription stands, the cloud sends it to nobody.
    until(&subscriber, "gw-1/in live", || cloud.publish("gw-1/in", "live").unwrap());
    subscriber.stop();
    cloud.publish("gw-1/in", "stored").unwrap();
    let subscriber = start(&file);
    until(&subscriber, "gw-1/in stored", || {});
    subscriber.stop();
}
