//! Readings go on while the broker is away and follow when it is back, and a signal ends the program in order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use aws_iot_sim::AwsIotSim;
use device_identity::DeviceConfig;
use rustix::process::{Pid, Signal, kill_process};
use se050_sim::Chip;
use tempfile::TempDir;

const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

/// A registered device with its chip, and the cloud that knows it.
struct Device {
    directory: TempDir,
    _chip: Chip,
    cloud: AwsIotSim,
}

impl Device {
    fn new() -> Self {
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
        fs::write(directory.path().join("device.toml"), config.to_toml().unwrap()).unwrap();
        Self { directory, _chip: chip, cloud }
    }

    fn telemetry(&self, args: &[&str]) -> Telemetry {
        let mut process = Command::new(env!("CARGO_BIN_EXE_telemetry"))
            .env_clear()
            .args(["--interval", "0.05", "--config"])
            .arg(self.directory.path().join("device.toml"))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Telemetry { process, lines, seen: Vec::new() }
    }
}

struct Telemetry {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
}

impl Telemetry {
    /// The next line that begins like that.
    #[track_caller]
    fn until(&mut self, wanted: &str) -> String {
        for line in self.lines.by_ref().map(Result::unwrap) {
            self.seen.push(line.clone());
            if line.starts_with(wanted) {
                return line;
            }
        }
        panic!("no line '{wanted}' in {:#?}", self.seen);
    }

    fn until_contains(&mut self, wanted: &str) -> String {
        let found = self.lines.by_ref().map(Result::unwrap).find(|line| line.contains(wanted));
        found.expect(wanted)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    #[track_caller]
    fn succeeds(self) {
        let output = self.process.wait_with_output().unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaints}");
        assert!(!complaints.contains("ERROR aws_iot"), "{complaints}");
    }
}

#[test]
fn readings_are_buffered_through_a_cut_and_none_is_lost() {
    let device = Device::new();
    let mut telemetry = device.telemetry(&["--count", "80"]);
    telemetry.until("connected");
    assert!(device.cloud.disconnect("gw-1"));
    assert!(telemetry.until("offline: ").contains("administrative action"));
    telemetry.until("connected");
    let summary = telemetry.until("sent ");
    assert_eq!(summary, "sent 80, acknowledged 80, refused 0, waiting 0, dropped 0, reconnects 1");
    // Not one line a reading.
    assert_eq!(telemetry.seen.len(), 4, "{:#?}", telemetry.seen);
    telemetry.succeeds();
}

#[test]
fn sigterm_and_ctrl_c_end_it_in_order_with_nothing_lost() {
    for signal in [Signal::TERM, Signal::INT] {
        let device = Device::new();
        let mut telemetry = device.telemetry(&[]);
        telemetry.until("connected");
        telemetry.signal(signal);
        let summary = telemetry.until("sent ");
        assert!(summary.ends_with("waiting 0, dropped 0, reconnects 0"), "{summary}");
        telemetry.succeeds();
    }
}

#[test]
fn readings_wait_on_the_disk_while_there_is_no_server_and_follow_at_the_next_start() {
    let device = Device::new();
    let outbox = device.directory.path().join("outbox");
    let durable = ["--count", "20", "--durable", outbox.to_str().unwrap()];
    // Nobody is there, and the program is killed in the middle of it.
    let file = device.directory.path().join("device.toml");
    let mut config = DeviceConfig::from_toml(&fs::read_to_string(&file).unwrap()).unwrap();
    let port = std::mem::replace(&mut config.port, 1);
    fs::write(&file, config.to_toml().unwrap()).unwrap();
    let mut killed = device.telemetry(&durable);
    killed.until("still offline");
    let mut stored = 0;
    while stored < 5 {
        stored = aws_iot_mqtt::durable::status(&outbox).map_or(0, |status| status.messages);
        assert!(killed.process.try_wait().unwrap().is_none(), "it has ended with {stored} readings");
    }
    killed.process.kill().unwrap();
    killed.process.wait().unwrap();
    let stored = aws_iot_mqtt::durable::status(&outbox).unwrap().messages;
    assert!(stored >= 5, "{stored}");
    // Whoever else wants it is told who has it.
    let mut waits = device.telemetry(&["--durable", outbox.to_str().unwrap()]);
    waits.until("still offline");
    let complaint = aws_iot_mqtt::durable::clear(&outbox, false).unwrap_err().to_string();
    let owner = format!("in use by process {} (telemetry)", waits.process.id());
    assert!(complaint.contains(&owner), "{complaint}");
    // A signal ends it in order, and what waits is kept.
    waits.signal(Signal::TERM);
    let kept = waits.until_contains("readings wait in");
    assert!(kept.contains("for the next start"), "{kept}");
    waits.succeeds();
    config.port = port;
    fs::write(&file, config.to_toml().unwrap()).unwrap();
    let waiting = aws_iot_mqtt::durable::status(&outbox).unwrap().messages;
    assert!(waiting > stored, "{waiting}");
    let mut sends = device.telemetry(&durable);
    let summary = sends.until("sent ");
    let expected = format!("acknowledged {}, refused 0, waiting 0, dropped 0", waiting + 20);
    assert!(summary.contains(&expected), "{summary}, not {expected}");
    sends.succeeds();
    let status = aws_iot_mqtt::durable::status(&outbox).unwrap();
    assert_eq!((status.messages, status.owner), (0, None));
}
