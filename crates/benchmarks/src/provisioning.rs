//! Registering devices: time, CPU and memory of the operator's program.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use aws_iot_sim::AwsIotSim;
use test_peers::{Moto, Pki};

use crate::peers::Programs;
use crate::process::{self, Used};
use crate::rounds::{Figure, Spread, in_turn};
use crate::table::{Table, aim};

/// Of one process, or of several that follow each other.
struct Cost {
    seconds: f64,
    cpu_seconds: f64,
}

impl From<Used> for Cost {
    fn from(used: Used) -> Self {
        Self { seconds: used.seconds, cpu_seconds: used.cpu_seconds }
    }
}

/// Beside boto3 and the AWS CLI.
pub(crate) fn beside_boto3(programs: &Programs, rounds: usize) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Provisioning, against moto",
        "A new moto (an AWS in Python) for each run; seconds of wall clock, with the program's own CPU in brackets. moto computes one \
         answer at a time, so that many devices wait for it, whoever registers them. boto3 registers one device \
         after the other, ours several at a time (`--rate 10000`: without its limit of 8 calls a second). The AWS CLI makes the six calls of \
         one device.",
        &["devices", "ours", "boto3", "AWS CLI"],
    );
    for (devices, rounds) in [(1, rounds), (20, rounds), (1000, 1)] {
        let certificates = certificates(devices)?;
        let clients = if devices == 1 { 3 } else { 2 };
        let runs = in_turn(rounds, clients, |client| {
            let moto = Moto::start().context("moto is not installed")?;
            let environment = moto.environment();
            let scratch = tempfile::tempdir()?;
            let mut command = match client {
                0 => ours(programs, &scratch.path().join("report")),
                1 => programs.script("boto3_provision.py"),
                _ => return with_cli(programs, certificates.path(), &environment),
            };
            Ok(process::run(command.arg(certificates.path()).envs(environment))?.into())
        })?;
        let shown = |client: usize| {
            runs.get(client).map_or_else(
                || "–".to_owned(),
                |runs: &Vec<Cost>| {
                    let cpu = Spread::of(runs.iter().map(|used| used.cpu_seconds)).median;
                    format!("{} s [{} s]", Spread::of(runs.iter().map(|used| used.seconds)), Figure(cpu))
                },
            )
        };
        table.row([devices.to_string(), shown(0), shown(1), shown(2)]);
        let median =
            |client: usize, of: fn(&Cost) -> f64| Some(Spread::of(runs.get(client)?.iter().map(of)).median);
        for (client, name) in [(1, "boto3"), (2, "AWS CLI")] {
            let ratio = |of: fn(&Cost) -> f64| Some(Figure(median(client, of)? / median(0, of)?));
            if let (Some(wall), Some(cpu)) = (ratio(|used| used.seconds), ratio(|used| used.cpu_seconds)) {
                table.remark(format!(
                    "{name} / ours, {devices} at a time: {wall} x the time, {cpu} x the CPU."
                ));
            }
        }
    }
    Ok(table)
}

const FLEETS: [usize; 3] = [100, 1_000, 10_000];

/// From a hundred devices to ten thousand.
pub(crate) fn many(programs: &Programs) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Provisioning, many devices",
        "Against aws-iot-sim, which limits nothing (`--rate 10000`), one run each.",
        &["devices", "seconds", "CPU for each device, ms", "largest memory, MiB"],
    );
    let (mut cpu, mut memory) = (Vec::new(), Vec::new());
    for devices in FLEETS {
        let certificates = certificates(devices)?;
        let sim = AwsIotSim::start()?;
        let scratch = tempfile::tempdir()?;
        let mut command = ours(programs, &scratch.path().join("report"));
        let used = process::run(command.arg(certificates.path()).envs(sim.environment()))?;
        cpu.push(used.cpu_seconds / devices as f64);
        memory.push(used.peak_mib());
        table.row([
            devices.to_string(),
            Figure(used.seconds).to_string(),
            Figure(used.cpu_seconds * 1000.0 / devices as f64).to_string(),
            Figure(used.peak_mib()).to_string(),
        ]);
    }
    // The first fleet's share of the program's start is larger.
    if let ([_, thousand, ten_thousand], [hundred, .., most]) = (cpu.as_slice(), memory.as_slice()) {
        let linear =
            aim("CPU linear from 1,000 devices to 10,000 (within 25 %)", ten_thousand / thousand < 1.25);
        table.remark(format!("{linear} {} x the CPU for each device.", Figure(ten_thousand / thousand)));
        let constant = aim("constant memory from 100 devices to 10,000 (within 8 MiB)", most - hundred < 8.0);
        table.remark(format!("{constant} {} MiB more.", Figure(most - hundred)));
    }
    Ok(table)
}

fn certificates(devices: usize) -> anyhow::Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    let pki = Pki::new();
    for number in 0..devices {
        let name = format!("device-{number}");
        std::fs::write(directory.path().join(format!("{name}.pem")), pki.client(&name).certificate_pem)?;
    }
    Ok(directory)
}

/// The directory of certificates is its last argument. `report` is where its report goes.
fn ours(programs: &Programs, report: &Path) -> Command {
    let mut command = Command::new(programs.directory.join("se050-iot"));
    command.args(["provision", "--thing-name", "bench-{certificate}", "--rate", "10000"]);
    // On standard error there is a line for each device; an error ends with its exit status.
    command.arg("--report").arg(report).arg("--fleet").stderr(Stdio::null());
    command
}

/// The calls of the maker's how-to, one process each.
fn with_cli(
    programs: &Programs,
    certificates: &Path,
    environment: &[(String, String)],
) -> anyhow::Result<Cost> {
    let cli = programs.python.with_file_name("aws");
    let certificate = certificates.join("device-0.pem");
    let policy =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]}"#;
    let (mut seconds, mut cpu_seconds) = (0.0, 0.0);
    let mut call = |arguments: &[&str]| -> anyhow::Result<String> {
        let mut command = Command::new(&cli);
        let used = process::run(command.arg("iot").args(arguments).envs(environment.iter().cloned()))?;
        seconds += used.seconds;
        cpu_seconds += used.cpu_seconds;
        Ok(used.output.trim().to_owned())
    };
    let pem = format!("file://{}", certificate.display());
    call(&["create-thing", "--thing-name", "bench"])?;
    call(&["create-policy", "--policy-name", "bench", "--policy-document", policy])?;
    let register = ["register-certificate-without-ca", "--certificate-pem", &pem, "--status", "ACTIVE"];
    let arn = call(&[&register[..], &["--query", "certificateArn", "--output", "text"]].concat())?;
    call(&["attach-policy", "--policy-name", "bench", "--target", &arn])?;
    call(&["attach-thing-principal", "--thing-name", "bench", "--principal", &arn])?;
    call(&["describe-endpoint", "--endpoint-type", "iot:Data-ATS"])?;
    Ok(Cost { seconds, cpu_seconds })
}
