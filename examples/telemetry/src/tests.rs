//! The program's own loop, with a clock that jumps ahead while nothing is to do.
#![allow(clippy::unwrap_used, reason = "tests")]

use aws_iot_sim::AwsIotSim;
use device_identity::DeviceConfig;
use se050_key::{Selector, Token};
use se050_sim::Chip;

use super::*;

const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

#[test]
fn while_all_goes_well_it_says_so_once_a_minute() {
    let directory = tempfile::tempdir().unwrap();
    let chip = Chip::create(&directory.path().join("chip")).unwrap();
    let cloud = AwsIotSim::start().unwrap();
    let key = "sss:100100F0".parse::<Selector>().unwrap();
    let certificate = Token::open(chip.module()).unwrap().certificate(&key).unwrap();
    cloud.admit(&certificate.to_pem(), "gw-1", POLICY).unwrap();
    let mut config = DeviceConfig::new(cloud.endpoint(), "gw-1", "sss:100100F0");
    config.port = cloud.port();
    config.ca_file = Some(cloud.ca_file().display().to_string());
    config.key.pkcs11_lib = Some(chip.module().display().to_string());
    let file = directory.path().join("device.toml");
    std::fs::write(&file, config.to_toml().unwrap()).unwrap();

    let arguments = ["telemetry", "--count", "130", "--config", file.to_str().unwrap()];
    let args = Args::try_parse_from(arguments).unwrap();
    let device = args.device.open().unwrap();
    let mut out = Vec::new();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(telemetry(&args, &device, &mut out)).unwrap();
    let out = String::from_utf8(out).unwrap();
    // When the other thread has connected depends on the machine.
    let lines: Vec<_> = out.lines().filter(|line| *line != "connected").collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines.iter().all(|line| line.starts_with("sent ")), "{out}");
    assert_eq!(lines[2], "sent 130, acknowledged 130, refused 0, waiting 0, dropped 0, reconnects 0");
}
