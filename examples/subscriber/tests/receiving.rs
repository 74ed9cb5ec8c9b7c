//! Messages are received, also those that came while the program was not running.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use aws_iot_sim::AwsIotSim;
use device_identity::DeviceConfig;
use rustix::process::{Pid, Signal, kill_process};
use se050_sim::Chip;

const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
const PATIENCE: Duration = Duration::from_secs(60);

/// The running program and what it prints.
struct Subscriber {
    process: Child,
    lines: Receiver<String>,
}

impl Subscriber {
    fn start(config: &std::path::Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_subscriber"))
            .env_clear()
            .arg("--config")
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { process, lines }
    }

    /// Waits for that line; `meanwhile` is done again and again.
    #[track_caller]
    fn until(&self, wanted: &str, meanwhile: impl Fn()) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            meanwhile();
            match self.lines.recv_timeout(Duration::from_millis(200)) {
                Ok(line) if line == wanted => return,
                _ => {}
            }
        }
        panic!("no line {wanted:?} within {PATIENCE:?}");
    }

    /// SIGTERM, as `podman stop` sends it.
    fn stop(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
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

    let subscriber = Subscriber::start(&file);
    subscriber.until("connected, session new", || {});
    // Until the subscription stands, the cloud sends it to nobody.
    subscriber.until("gw-1/in live", || cloud.publish("gw-1/in", "live").unwrap());
    subscriber.stop();
    cloud.publish("gw-1/in", "stored").unwrap();
    let subscriber = Subscriber::start(&file);
    subscriber.until("gw-1/in stored", || {});
    subscriber.stop();
}
