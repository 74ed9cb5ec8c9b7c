//! A device with its chip, a broker that nobody here wrote or the local AWS IoT Core, and the programs that talk to them.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use aws_iot_sim::AwsIotSim;
use device_identity::DeviceConfig;
use rustix::process::{Pid, Signal, kill_process};
use se050_key::Certificate;
use se050_sim::Chip;
use test_peers::{Mosquitto, Pki, TlsVersion, program};

use super::{Operator, text};

/// How long something may take that is bound to happen, on a machine that has much to do.
const PATIENCE: Duration = Duration::from_secs(120);
/// The same for mosquitto's clients, in seconds.
const BOUND: &str = "120";
/// The factory's EC key, whose signature is the cheapest.
const KEY: &str = "sss:000100F0";
const CERTIFICATE: u32 = 0xF000_0101;

/// A device, and the broker that its configuration names.
pub(crate) struct Messaging<B> {
    pub(crate) device: Operator,
    pub(crate) chip: Chip,
    pub(crate) broker: B,
}

impl<B> Messaging<B> {
    fn new(broker: impl FnOnce(&Chip) -> Option<(B, DeviceConfig)>) -> Option<Self> {
        let device = Operator::new(Vec::new());
        let chip = Chip::create(&device.path("chip")).unwrap();
        let (broker, mut config) = broker(&chip)?;
        config.key.pkcs11_lib = Some(chip.module().display().to_string());
        device.write("device.toml", config.to_toml().unwrap());
        Some(Self { device, chip, broker })
    }

    /// `se050-iot COMMAND --config device.toml` and so on.
    pub(crate) fn command(&self, command: &str, arguments: &[&str]) -> Command {
        let mut process = self.device.command(&[command, "--config", "device.toml"]);
        process.args(arguments).env("SE050_LOCK_FILE", self.device.path("lock"));
        process
    }

    pub(crate) fn run(&self, command: &str, arguments: &[&str]) -> Output {
        self.command(command, arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// It ends with that status, and says that on standard error.
    #[track_caller]
    pub(crate) fn ends(&self, status: i32, command: &str, arguments: &[&str]) -> String {
        let output = self.run(command, arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{command} {arguments:?}: {said}");
        said
    }

    /// The chip is free: another program can have it.
    #[track_caller]
    pub(crate) fn assert_chip_is_free(&self) {
        let module = self.chip.module().display().to_string();
        let mut command = self.device.command(&["cert", "show", "--pkcs11-lib", &module, "--key-label", KEY]);
        let output = command.env("SE050_LOCK_FILE", self.device.path("lock")).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

/// What the policy of the device allows.
pub(crate) fn policy(actions: &[&str]) -> String {
    let actions: Vec<String> = actions.iter().map(|action| format!("\"iot:{action}\"")).collect();
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":[{}],"Resource":"*"}}]}}"#,
        actions.join(",")
    )
}

impl Messaging<AwsIotSim> {
    /// With the local AWS IoT Core, whose policy allows these actions.
    pub(crate) fn with_aws(actions: &[&str]) -> Self {
        let made = Self::new(|chip| {
            let cloud = AwsIotSim::start().unwrap();
            let certificate =
                Certificate::from_bytes(&chip.certificate(CERTIFICATE).unwrap(), "chip").unwrap();
            cloud.admit(&certificate.to_pem(), "gw-1", &policy(actions)).unwrap();
            let mut config = DeviceConfig::new(cloud.endpoint(), "gw-1", KEY);
            config.port = cloud.port();
            config.ca_file = Some(cloud.ca_file().display().to_string());
            Some((cloud, config))
        });
        made.unwrap()
    }
}

impl Messaging<Mosquitto> {
    /// With mosquitto, or `None` where it is not there.
    pub(crate) fn with_mosquitto() -> Option<Self> {
        let pki = Pki::new();
        let others = pki.client("another client");
        program("mosquitto_sub")?;
        let made = Self::new(|chip| {
            let authorities = chip.ca_pem().unwrap() + &pki.ca_pem();
            let broker = Mosquitto::start(&authorities, TlsVersion::Any)?;
            let mut config = DeviceConfig::new("localhost", "gw-1", KEY);
            config.port = broker.port();
            config.ca_file = Some("broker-ca.pem".to_owned());
            Some((broker, config))
        })?;
        made.device.write("broker-ca.pem", made.broker.server_ca_pem());
        made.device.write("other.pem", others.certificate_pem);
        made.device.write("other.key", others.key_pem);
        Some(made)
    }

    /// mosquitto_sub or mosquitto_pub, which ends after a while in any case.
    pub(crate) fn peer(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.current_dir(self.device.path("")).args([BOUND, name, "-V", "mqttv5", "-h", "localhost"]);
        command.args(["-p", &self.broker.port().to_string(), "--cafile", "broker-ca.pem"]);
        command.args(["--cert", "other.pem", "--key", "other.key"]).args(arguments);
        // Its home is where mosquitto's clients look for a configuration: there must be none.
        command.env("HOME", self.device.path("")).env_remove("XDG_CONFIG_HOME");
        command
    }

    /// Waits until the broker has logged that.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, words: &str) {
        wait_until(words, || self.broker.log().contains(words));
    }
}

/// A running program, with its lines of standard output.
pub(crate) struct Running {
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines: Some(lines) }
    }

    pub(crate) fn line(&mut self) -> String {
        self.lines.as_mut().unwrap().next().expect("the program has ended").unwrap()
    }

    /// As `head -1` does when it has its line.
    pub(crate) fn close_output(&mut self) {
        self.lines = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// How it ended, and what it said on standard error.
    #[track_caller]
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        wait_until("the program's end", || self.child.try_wait().unwrap().is_some());
        let status = self.child.wait().unwrap().code();
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut said).unwrap();
        (status, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, as a rule.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
