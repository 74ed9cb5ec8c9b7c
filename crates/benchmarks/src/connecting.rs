//! From the start of a program to its end, with one connection in between; and what a connection costs while nothing happens.

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use benchmarks::Broker;
use tempfile::TempDir;
use test_peers::{KeyKind, PrivateKeyFile, SoftHsm, TOKEN_LABEL, TlsVersion, USER_PIN};

use crate::peers::{Client, Programs};
use crate::process::{self, Running, Used, mib};
use crate::rounds::{Figure, Spread, between, in_turn};
use crate::table::{Table, aim};

/// A broker and a token whose keys it lets in.
struct Setting {
    broker: Broker,
    token: SoftHsm,
    floor: PathBuf,
    key: PathBuf,
    directory: TempDir,
}

/// Runs of each client for each of the report's rounds: they take milliseconds, and their times vary most.
const RUNS_A_ROUND: usize = 4;
/// The aims, beside the floor.
const AIM_CPU: f64 = 1.1;
const AIM_MIB: f64 = 3.0;
/// How long an idle connection is watched.
const IDLE: Duration = Duration::from_secs(10);

/// The whole life of a short program.
pub(crate) fn connecting(programs: &Programs, rounds: usize) -> anyhow::Result<Table> {
    let runs_each = rounds * RUNS_A_ROUND;
    let mut table = Table::new(
        "Connecting",
        &format!(
            "A program starts, opens SoftHSM2, connects to mosquitto by mutual TLS with the token's key, disconnects and ends: wall clock \
             ms, CPU ms, largest memory MiB; median (smallest–largest) of {runs_each}. Ours is built as it is for the device (profile `dist`). \
             The floor is a C program (`peers/floor.c`) that only loads the module, finds the key and signs once; with TLS, it makes \
             the same connection by OpenSSL with the key in a file, in place of that signature. The SDK speaks TLS 1.2 alone with a \
             token's key, and its certificate comes from a file."
        ),
        &["key, TLS", "ours", "AWS SDK", "floor with TLS", "floor"],
    );
    let mut beside = Beside::default();
    for (name, kind) in [("rsa-2048", KeyKind::Rsa2048), ("ec-p256", KeyKind::EcP256)] {
        for (version, text) in [(TlsVersion::Tls12, "1.2"), (TlsVersion::Tls13, "1.3")] {
            let setting = Setting::new(name, kind, version)?;
            let runs = in_turn(runs_each, 3, |client| match client {
                0 => process::run(&mut setting.ours(programs, name)),
                1 => process::run(&mut setting.floor_with_tls(name)),
                _ => process::run(&mut setting.floor(name)),
            })?;
            let sdk = match version {
                TlsVersion::Tls12 => {
                    in_turn(rounds, 1, |_| process::run(&mut setting.sdk(programs, name)))?.concat()
                }
                _ => Vec::new(),
            };
            let [ours, with_tls, floor] = runs.as_slice() else { continue };
            beside.add(ours, with_tls, floor, &sdk);
            let cells = [ours, &sdk, with_tls, floor].map(|runs| show(runs));
            table.row([format!("{name}, TLS {text}")].into_iter().chain(cells));
        }
    }
    beside.remarks(&mut table);
    Ok(table)
}

/// Medians of ours beside the others', one for each row.
#[derive(Default)]
struct Beside {
    sdk_cpu: Vec<f64>,
    sdk_memory: Vec<f64>,
    floor_cpu: Vec<f64>,
    floor_mib: Vec<f64>,
    tls_cpu: Vec<f64>,
    tls_mib: Vec<f64>,
    tls_over_floor: Vec<f64>,
}

impl Beside {
    fn add(&mut self, ours: &[Used], with_tls: &[Used], floor: &[Used], sdk: &[Used]) {
        let cpu = |runs: &[Used]| Spread::of(runs.iter().map(|used| used.cpu_seconds)).median;
        let peak = |runs: &[Used]| Spread::of(runs.iter().map(Used::peak_mib)).median;
        if !sdk.is_empty() {
            self.sdk_cpu.push(cpu(sdk) / cpu(ours));
            self.sdk_memory.push(peak(sdk) / peak(ours));
        }
        self.floor_cpu.push(cpu(ours) / cpu(floor));
        self.floor_mib.push(peak(ours) - peak(floor));
        self.tls_cpu.push(cpu(ours) / cpu(with_tls));
        self.tls_mib.push(peak(ours) - peak(with_tls));
        self.tls_over_floor.push(cpu(with_tls) / cpu(floor));
    }

    fn remarks(&self, table: &mut Table) {
        table.remark(format!(
            "AWS SDK / ours: {} x the CPU, {} x the memory.",
            between(&self.sdk_cpu),
            between(&self.sdk_memory)
        ));
        let cpu = aim(
            &format!("at most {AIM_CPU} x the floor's CPU"),
            self.floor_cpu.iter().all(|ratio| *ratio <= AIM_CPU),
        );
        table.remark(format!(
            "{cpu} Ours / floor: {} x. The floor makes no connection; a TLS connection by OpenSSL brings it to {} x. Ours / floor with \
             TLS: {} x.",
            between(&self.floor_cpu),
            between(&self.tls_over_floor),
            between(&self.tls_cpu)
        ));
        let memory = aim(
            &format!("at most {AIM_MIB} MiB more than the floor"),
            self.floor_mib.iter().all(|more| *more <= AIM_MIB),
        );
        table.remark(format!(
            "{memory} Ours less floor: {} MiB; less floor with TLS: {} MiB.",
            between(&self.floor_mib),
            between(&self.tls_mib)
        ));
    }
}

/// Memory and CPU while connected; memory while 100,000 messages wait, and how long they take when the broker is there.
pub(crate) fn memory(programs: &Programs) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Idle, and with a queue",
        &format!(
            "Resident memory in MiB; CPU in {} s of a connection on which nothing happens (in steps of 10 ms). The 100,000 messages have 256 \
             bytes each and wait for a broker that is not there; then it is started, and the time runs from the connection to the last \
             acknowledgement (QoS 1).",
            IDLE.as_secs()
        ),
        &["", "ours", "AWS SDK"],
    );
    let setting = Setting::new("rsa-2048", KeyKind::Rsa2048, TlsVersion::Tls12)?;
    let (mut idle, mut cpu) = (Vec::new(), Vec::new());
    for mut command in [setting.ours(programs, "rsa-2048"), setting.sdk(programs, "rsa-2048")] {
        let mut running = Running::start(command.arg("--hold"))?;
        while running.line()? != "connected" {}
        thread::sleep(Duration::from_secs(1));
        let before = running.cpu_seconds()?;
        thread::sleep(IDLE);
        cpu.push(format!("{:.0}", (running.cpu_seconds()? - before) * 1000.0));
        idle.push(Figure(mib(running.memory()?)).to_string());
        running.finish()?;
    }
    table.row([vec!["connected, MiB".to_owned()], idle].concat());
    table.row([vec!["connected, CPU ms".to_owned()], cpu].concat());
    let (mut queued, mut drained) = (Vec::new(), Vec::new());
    for client in [Client::Ours, Client::AwsSdk] {
        let mut broker = Broker::start(TlsVersion::Any)?;
        broker.mosquitto.kill();
        let mut command = programs.client(client, &broker);
        command.args(["queue", "--qos", "1", "--bytes", "256", "--in-flight", "1", "--messages", "100000"]);
        let mut running = Running::start(&mut command)?;
        while running.line()? != "queued" {}
        queued.push(Figure(mib(running.memory()?)).to_string());
        broker.mosquitto.start_again();
        drained.push(Figure(running.line()?.parse()?).to_string());
    }
    table.row([vec!["100,000 messages waiting, MiB".to_owned()], queued].concat());
    table.row([vec!["100,000 messages delivered, s".to_owned()], drained].concat());
    Ok(table)
}

impl Setting {
    fn new(name: &str, kind: KeyKind, version: TlsVersion) -> anyhow::Result<Self> {
        let broker = Broker::start(version)?;
        let token = SoftHsm::new().context("SoftHSM2 is not installed")?;
        let directory = tempfile::tempdir()?;
        let key =
            PrivateKeyFile::generate(directory.path(), name, kind).context("OpenSSL is not installed")?;
        token.import_key(key.path(), name, "01");
        let certificate = broker.pki.certify(&key.public_key(), name);
        token.import_certificate(&certificate, name, "01");
        let pem = pem::encode(&pem::Pem::new("CERTIFICATE", certificate));
        std::fs::write(directory.path().join("cert.pem"), pem)?;
        let floor = directory.path().join("floor");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/floor.c");
        let compiled =
            Command::new("cc").args(["-O2", source, "-ldl", "-o"]).arg(&floor).status().context("cc")?;
        ensure!(compiled.success(), "cc cannot compile {source}");
        Ok(Self { broker, token, floor, key: key.path().to_owned(), directory })
    }

    fn command(&self, mut command: Command) -> Command {
        let (variable, value) = self.token.environment();
        command.env(variable, value).env("SE050_PIN", USER_PIN);
        command
    }

    fn ours(&self, programs: &Programs, key: &str) -> Command {
        let mut command = self.command(Command::new(programs.dist.join("connect")));
        command.args(["--endpoint", "localhost", "--port", &self.broker.mosquitto.port().to_string()]);
        command.arg("--ca-file").arg(self.broker.file("ca")).arg("--pkcs11-lib").arg(self.token.module());
        command.args(["--token-label", TOKEN_LABEL, "--key-label", key]);
        command
    }

    fn sdk(&self, programs: &Programs, key: &str) -> Command {
        let mut command = self.command(programs.script("aws_sdk.py"));
        command.args(["--port", &self.broker.mosquitto.port().to_string()]);
        command
            .arg("--ca")
            .arg(self.broker.file("ca"))
            .arg("--cert")
            .arg(self.directory.path().join("cert.pem"));
        command.arg("connect").arg("--module").arg(self.token.module());
        command.args(["--token-label", TOKEN_LABEL, "--key-label", key]);
        command
    }

    /// With the signature of a key that lies in a file.
    fn floor_with_tls(&self, key: &str) -> Command {
        let mut command = self.floor(key);
        command.arg(self.broker.mosquitto.port().to_string()).arg(self.broker.file("ca"));
        command.arg(self.directory.path().join("cert.pem")).arg(&self.key);
        command
    }

    fn floor(&self, key: &str) -> Command {
        let mut command = self.command(Command::new(&self.floor));
        command.arg(self.token.module()).arg(key);
        command
    }
}

fn show(runs: &[Used]) -> String {
    if runs.is_empty() {
        return "–".to_owned();
    }
    let of = |value: fn(&Used) -> f64| Spread::of(runs.iter().map(value));
    let (wall, cpu) = (of(|used| used.seconds).times(1000.0), of(|used| used.cpu_seconds).times(1000.0));
    format!("{wall} ms; {cpu} ms; {} MiB", Figure(of(Used::peak_mib).median))
}
