//! The example against ministack, with the key in a simulated chip; the AWS CLI is the operator.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use device_identity::DeviceConfig;
use rustix::process::{Pid, Signal, kill_process};
use se050_sim::Chip;
use tempfile::TempDir;
use test_peers::{Ministack, aws_cli, output_of};

const PATIENCE: Duration = Duration::from_secs(60);

/// The running program and what it prints.
struct Program {
    process: Child,
    lines: Receiver<String>,
}

impl Program {
    fn start(config: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shadow"));
        command.env_clear().arg("--config").arg(config).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { process, lines }
    }

    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    /// SIGTERM, as `podman stop` sends it.
    fn stop(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A simulated chip whose certificate is registered as `gw-1`, and the device configuration for it.
fn device(ministack: &Ministack, directory: &TempDir, policy: &str) -> Option<std::path::PathBuf> {
    let chip = Chip::create(&directory.path().join("chip")).unwrap();
    let der = directory.path().join("device.der");
    fs::write(&der, chip.certificate(0xF000_0111).unwrap()).unwrap();
    let certificate = se050_key::Certificate::from_file(&der).unwrap();
    ministack.register("gw-1", &certificate.to_pem(), policy)?;
    let mut config = DeviceConfig::new("localhost", "gw-1", "sss:100100F0");
    config.port = ministack.mqtt_port();
    config.ca_file = Some(ministack.ca_file().display().to_string());
    config.key.pkcs11_lib = Some(chip.module().display().to_string());
    let file = directory.path().join("device.toml");
    fs::write(&file, config.to_toml().unwrap()).unwrap();
    Some(file)
}

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Action":"iot:Connect","Resource":"arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}"},
{"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":"arn:aws:iot:*:*:topic/$aws/things/${iot:Connection.Thing.ThingName}/shadow/*"},
{"Effect":"Allow","Action":"iot:Subscribe","Resource":"arn:aws:iot:*:*:topicfilter/$aws/things/${iot:Connection.Thing.ThingName}/shadow/*"}]}"#;

#[test]
fn what_is_desired_is_applied_and_reported_also_after_the_device_was_away() {
    let Some(ministack) = Ministack::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let Some(config) = device(&ministack, &directory, POLICY) else { return };
    let Some(cli) = aws_cli(ministack.environment()) else { return };
    let document = directory.path().join("shadow.json");
    let desire = |payload: &str| {
        let arguments = ["iot-data", "update-thing-shadow", "--thing-name", "gw-1", "--payload", payload];
        output_of(cli.command(arguments).arg(&document));
    };
    let reported = || {
        output_of(cli.command(["iot-data", "get-thing-shadow", "--thing-name", "gw-1"]).arg(&document));
        let shadow: serde_json::Value = serde_json::from_slice(&fs::read(&document).unwrap()).unwrap();
        shadow["state"]["reported"].clone()
    };
    desire(r#"{"state": {"desired": {"on": true}}}"#);
    let program = Program::start(&config);
    assert!(program.line().starts_with("wanted Lamp { on: Some(true)"));
    // This device's brightness ends at 100: it is told once.
    desire(r#"{"state": {"desired": {"brightness": 200}}}"#);
    assert!(program.line().ends_with("is now Lamp { on: Some(true), brightness: Some(100) }"));
    let expected = serde_json::json!({"on": true, "brightness": 100});
    let begun = std::time::Instant::now();
    while reported() != expected {
        assert!(begun.elapsed() < PATIENCE, "{}", reported());
    }
    program.stop();
    desire(r#"{"state": {"desired": {"on": false}}}"#);
    let program = Program::start(&config);
    assert!(program.line().contains("on: Some(false), brightness: Some(100)"));
    program.stop();
}
