//! From the start of a program to its end, with one connection in between; and what a connection costs while nothing happens.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use test_peers::{KeyKind, PrivateKeyFile, SoftHsm, TOKEN_LABEL, TlsVersion, USER_PIN};

use crate::peers::{Broker, Client, Programs};
use crate::process::{self, Running, Used, mib};
use crate::rounds::{Figure, Spread, in_turn};
use crate::table::Table;

/// A broker and a token whose keys it lets in.
struct Setting {
    broker: Broker,
    token: SoftHsm,
    floor: PathBuf,
    directory: TempDir,
}

/// The whole life of a short program.
pub(crate) fn connecting(programs: &Programs, rounds: usize) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Connecting",
        "A program starts, opens SoftHSM2, connects to mosquitto by mutual TLS with the token's key, disconnects and ends: wall clock \
         ms, CPU ms, largest memory MiB; median (smallest–largest). The floor is a C program (`peers/floor.c`) that only loads the \
         module, finds the key and signs once. The SDK speaks TLS 1.2 alone with a token's key, and its certificate comes from a file.",
        &["key, TLS", "ours", "AWS SDK", "floor"],
    );
    for (name, kind) in [("rsa-2048", KeyKind::Rsa2048), ("ec-p256", KeyKind::EcP256)] {
        for (version, text) in [(TlsVersion::Tls12, "1.2"), (TlsVersion::Tls13, "1.3")] {
            let setting = Setting::new(name, kind, version)?;
            let with_sdk = version == TlsVersion::Tls12;
            let clients = if with_sdk { 3 } else { 2 };
            let runs = in_turn(rounds, clients, |client| match client {
                0 => process::run(&mut setting.ours(programs, name)),
                1 => process::run(&mut setting.floor(name)),
                _ => process::run(&mut setting.sdk(programs, name)),
            })?;
            let shown = |client: usize| runs.get(client).map_or_else(|| "–".to_owned(), |runs| show(runs));
            table.row([format!("{name}, TLS {text}"), shown(0), shown(2), shown(1)]);
        }
    }
    Ok(table)
}

/// Memory while connected, and while 100,000 messages wait.
pub(crate) fn memory(programs: &Programs) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Memory",
        "Resident memory in MiB. The messages have 256 bytes each and wait for a broker that is not there.",
        &["", "ours", "AWS SDK"],
    );
    let setting = Setting::new("rsa-2048", KeyKind::Rsa2048, TlsVersion::Tls12)?;
    let mut idle = Vec::new();
    for mut command in [setting.ours(programs, "rsa-2048"), setting.sdk(programs, "rsa-2048")] {
        let mut running = Running::start(command.arg("--hold"))?;
        while running.line()? != "connected" {}
        std::thread::sleep(std::time::Duration::from_secs(1));
        idle.push(Figure(mib(running.memory()?)).to_string());
        running.finish()?;
    }
    table.row([vec!["connected, nothing to do".to_owned()], idle].concat());
    let mut broker = Broker::start(TlsVersion::Any)?;
    broker.mosquitto.kill();
    let mut queued = Vec::new();
    for client in [Client::Ours, Client::AwsSdk] {
        let mut command = programs.client(client, &broker);
        command.args(["queue", "--qos", "1", "--bytes", "256", "--in-flight", "1", "--messages", "100000"]);
        let mut running = Running::start(&mut command)?;
        while running.line()? != "queued" {}
        queued.push(Figure(mib(running.memory()?)).to_string());
    }
    table.row([vec!["100,000 messages waiting".to_owned()], queued].concat());
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
        Ok(Self { broker, token, floor, directory })
    }

    fn command(&self, mut command: Command) -> Command {
        let (variable, value) = self.token.environment();
        command.env(variable, value).env("SE050_PIN", USER_PIN);
        command
    }

    fn ours(&self, programs: &Programs, key: &str) -> Command {
        let mut command = self.command(Command::new(programs.example("connect")));
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

    fn floor(&self, key: &str) -> Command {
        let mut command = self.command(Command::new(&self.floor));
        command.arg(self.token.module()).arg(key);
        command
    }
}

fn show(runs: &[Used]) -> String {
    let of = |value: fn(&Used) -> f64| Spread::of(runs.iter().map(value));
    let (wall, cpu) = (of(|used| used.seconds).times(1000.0), of(|used| used.cpu_seconds).times(1000.0));
    format!("{wall} ms; {cpu} ms; {} MiB", Figure(of(Used::peak_mib).median))
}
