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
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobs"));
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
{"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":"arn:aws:iot:*:*:topic/$aws/things/${iot:Connection.Thing.ThingName}/jobs/*"},
{"Effect":"Allow","Action":"iot:Subscribe","Resource":"arn:aws:iot:*:*:topicfilter/$aws/things/${iot:Connection.Thing.ThingName}/jobs/*"}]}"#;

#[test]
fn each_job_is_done_step_by_step() {
    let Some(ministack) = Ministack::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let Some(config) = device(&ministack, &directory, POLICY) else { return };
    let Some(cli) = aws_cli(ministack.environment()) else { return };
    let aws = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&output_of(&mut cli.command(["iot"].iter().chain(arguments)))).unwrap()
    };
    let thing = aws(&["describe-thing", "--thing-name", "gw-1"]);
    let create = |id: &str, document: &str| {
        aws(&[
            "create-job",
            "--job-id",
            id,
            "--targets",
            thing["thingArn"].as_str().unwrap(),
            "--document",
            document,
        ]);
    };
    create("update", r#"{"steps": ["download", "install"]}"#);
    create("other", r#"{"operation": "dance"}"#);
    let program = Program::start(&config);
    for line in [
        "job update begins",
        "job update: \"download\"",
        "job update: \"install\"",
        "job update is done",
        "job other begins",
    ] {
        assert_eq!(program.line(), line);
    }
    create("last", r#"{"steps": []}"#);
    assert_eq!(program.line(), "job last begins");
    assert_eq!(program.line(), "job last is done");
    program.stop();
    for (id, status, details) in
        [("update", "SUCCEEDED", "2"), ("other", "REJECTED", ""), ("last", "SUCCEEDED", "0")]
    {
        let execution = aws(&["describe-job-execution", "--job-id", id, "--thing-name", "gw-1"]);
        let execution = &execution["execution"];
        assert_eq!(execution["status"], status, "{id}");
        let done = execution["statusDetails"]["detailsMap"]["done"].as_str().unwrap_or_default();
        assert_eq!(done, details, "{id}");
    }
}
