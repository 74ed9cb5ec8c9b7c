//! Readings go on while the broker or the chip is away and follow when it is back, and a signal ends the program in order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_iot_sim::AwsIotSim;
use device_identity::DeviceConfig;
use rustix::process::{Pid, Signal, kill_process};
use se050_sim::{Chip, Fault, I2cShim};
use tempfile::TempDir;
use test_peers::Lines;

const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

/// A registered device with its chip, and the cloud that knows it.
struct Device {
    directory: TempDir,
    chip: Chip,
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
        Self { directory, chip, cloud }
    }

    fn telemetry(&self, args: &[&str]) -> Telemetry {
        self.telemetry_on(None, "0.05", args)
    }

    /// With the chip on a (fake) I2C bus that the program can look at, and a reading every `interval` seconds.
    fn telemetry_on(&self, bus: Option<&I2cShim>, interval: &str, args: &[&str]) -> Telemetry {
        let mut command = Command::new(env!("CARGO_BIN_EXE_telemetry"));
        command.env_clear().env("SE050_LOCK_FILE", self.directory.path().join("lock"));
        if let Some(bus) = bus {
            bus.apply(&mut command, &self.chip);
        }
        let mut process = command
            .args(["--interval", interval, "--config"])
            .arg(self.directory.path().join("device.toml"))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Lines::of(process.stdout.take().unwrap());
        Telemetry { process, lines, seen: Vec::new() }
    }
}

struct Telemetry {
    process: Child,
    lines: Lines,
    seen: Vec<String>,
}

impl Telemetry {
    /// The next line that begins like that.
    #[track_caller]
    fn until(&mut self, wanted: &str) -> String {
        for line in self.lines.by_ref() {
            self.seen.push(line.clone());
            if line.starts_with(wanted) {
                return line;
            }
        }
        panic!("no line '{wanted}' in {:#?}", self.seen);
    }

    /// Whether it connects before it ends.
    fn connects(&mut self) -> bool {
        self.lines.by_ref().any(|line| line == "connected")
    }

    fn until_contains(&mut self, wanted: &str) -> String {
        let found = self.lines.by_ref().find(|line| line.contains(wanted));
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
    // It has to have taken readings of its own before.
    while aws_iot_mqtt::durable::status(&outbox).unwrap().messages <= stored {
        assert!(waits.process.try_wait().unwrap().is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(50));
    }
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

/// Power cycles of the chip while the connection is cut, on both kinds of bus. `OUTAGES=1,3,10,40` (seconds) makes the table in
/// the README of se050-key: how long after the chip's return the client is connected again.
#[test]
fn a_chip_that_loses_its_power_costs_no_reading() {
    let outages = std::env::var("OUTAGES").unwrap_or_else(|_| "1".to_owned());
    for seconds in outages.split(',').map(|seconds| seconds.parse::<f64>().unwrap()) {
        for on_i2c in [true, false] {
            let device = Device::new();
            if on_i2c && test_peers::c_compiler().is_none() {
                continue;
            }
            let bus = on_i2c.then(|| I2cShim::build(device.directory.path()).unwrap());
            let mut telemetry = device.telemetry_on(bus.as_ref(), "0.5", &[]);
            telemetry.until("connected");
            device.chip.set_fault(Fault::Absent).unwrap();
            device.chip.power_cycle().unwrap();
            assert!(device.cloud.disconnect("gw-1"));
            let back = Instant::now() + Duration::from_secs_f64(seconds);
            let mut restarts = 0;
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(back.saturating_duration_since(Instant::now()));
                    device.chip.set_fault(Fault::None).unwrap();
                });
                // The test is the supervisor, too.
                while !telemetry.connects() {
                    assert_eq!(telemetry.process.wait().unwrap().code(), Some(75));
                    restarts += 1;
                    std::thread::sleep(Duration::from_secs(1));
                    telemetry = device.telemetry_on(bus.as_ref(), "0.5", &[]);
                }
            });
            let (bus, took) = (if on_i2c { "I2C" } else { "not looked at" }, back.elapsed().as_secs_f64());
            eprintln!(
                "away for {seconds:4.1} s, bus {bus:13}: connected after {took:4.1} s, {restarts} restarts"
            );
            telemetry.signal(Signal::TERM);
            assert!(telemetry.until("sent ").contains("waiting 0, dropped 0"));
            telemetry.succeeds();
        }
    }
}

#[test]
fn a_chip_that_is_mute_for_a_while_costs_no_reading_and_no_opening() {
    let device = Device::new();
    // The module gives up a mute chip after 2.1 s.
    device.chip.set_time_scale(0.6).unwrap();
    let mut telemetry = device.telemetry(&[]);
    telemetry.until("connected");
    device.chip.set_fault(Fault::MuteForAWhile).unwrap();
    assert!(device.cloud.disconnect("gw-1"));
    telemetry.until("offline: ");
    assert!(telemetry.until("still offline: ").contains("does not answer"));
    device.chip.set_fault(Fault::None).unwrap();
    telemetry.until("connected");
    let calls = device.chip.calls().unwrap();
    assert_eq!(calls.of("C_OpenSession") - calls.of("C_CloseSession"), 1, "no opening has failed");
    telemetry.signal(Signal::TERM);
    assert!(telemetry.until("sent ").contains("waiting 0, dropped 0"));
    telemetry.succeeds();
}

#[test]
fn a_chip_that_stays_mute_harms_no_connection_that_stands() {
    let device = Device::new();
    device.chip.set_time_scale(0.6).unwrap();
    let mut telemetry = device.telemetry(&[]);
    telemetry.until("connected");
    device.chip.set_fault(Fault::MuteForAWhile).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    telemetry.signal(Signal::TERM);
    assert!(telemetry.until("sent ").contains("waiting 0, dropped 0"));
    telemetry.succeeds();
}

/// Fault 14: the two openings were spent within seconds, and the readings went with the process.
#[test]
fn a_chip_that_stays_mute_ends_the_program_late_and_costs_no_durable_reading() {
    let device = Device::new();
    device.chip.set_time_scale(0.6).unwrap();
    let outbox = device.directory.path().join("outbox");
    let durable = ["--durable", outbox.to_str().unwrap()];
    let mut telemetry = device.telemetry_on(None, "0.5", &durable);
    telemetry.until("connected");
    device.chip.set_fault(Fault::MuteForAWhile).unwrap();
    assert!(device.cloud.disconnect("gw-1"));
    // Told before the last opening is spent, 30 s before the end.
    while !telemetry.until("still offline: ").contains("started anew") {}
    assert_eq!(device.chip.calls().unwrap().of("C_OpenSession"), 2, "one has failed");
    let output = telemetry.process.wait_with_output().unwrap();
    assert_eq!(device.chip.calls().unwrap().of("C_OpenSession"), 3);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{complaints}");
    assert!(complaints.contains("for the next start"), "{complaints}");

    // What a supervisor does.
    device.chip.set_fault(Fault::None).unwrap();
    let mut telemetry = device.telemetry(&[&durable[..], &["--count", "1"]].concat());
    let summary = telemetry.until("sent ");
    let acknowledged = summary.split("acknowledged ").nth(1).unwrap().split(',').next().unwrap();
    assert!(acknowledged.parse::<u32>().unwrap() > 30, "the readings of half a minute: {summary}");
    assert!(summary.contains("waiting 0, dropped 0"), "{summary}");
    telemetry.succeeds();
}
