//! Registering devices: time, CPU and memory of the operator's program.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use aws_iot_sim::AwsIotSim;
use test_peers::{Moto, Pki};

use crate::peers::Programs;
use crate::process::{self, Used};
use crate::rounds::{Figure, Spread, in_turn};
use crate::table::Table;

const MIB: f64 = 1024.0 * 1024.0;

/// Beside boto3 and the AWS CLI.
pub(crate) fn beside_boto3(programs: &Programs, rounds: usize) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Provisioning, against moto",
        "A new moto (an AWS in Python) for each run; seconds of wall clock, with the program's own CPU in brackets. boto3 registers one device \
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
            match client {
                0 => process::run(ours(programs, certificates.path()).envs(environment)),
                1 => process::run(
                    programs.script("boto3_provision.py").arg(certificates.path()).envs(environment),
                ),
                _ => with_cli(programs, certificates.path(), &environment),
            }
        })?;
        let shown = |client: usize| {
            runs.get(client).map_or_else(
                || "–".to_owned(),
                |runs: &Vec<Used>| {
                    let cpu = Spread::of(runs.iter().map(|used| used.cpu_seconds)).median;
                    format!("{} s [{} s]", Spread::of(runs.iter().map(|used| used.seconds)), Figure(cpu))
                },
            )
        };
        table.row([devices.to_string(), shown(0), shown(1), shown(2)]);
    }
    Ok(table)
}

/// From a hundred devices to ten thousand.
pub(crate) fn many(programs: &Programs) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Provisioning, many devices",
        "Against aws-iot-sim, which limits nothing (`--rate 10000`), one run each.",
        &["devices", "seconds", "CPU for each device, ms", "largest memory, MiB"],
    );
    for devices in [100, 1_000, 10_000] {
        let certificates = certificates(devices)?;
        let sim = AwsIotSim::start()?;
        let used = process::run(ours(programs, certificates.path()).envs(sim.environment()))?;
        table.row([
            devices.to_string(),
            Figure(used.seconds).to_string(),
            Figure(used.cpu_seconds * 1000.0 / devices as f64).to_string(),
            Figure(used.peak as f64 / MIB).to_string(),
        ]);
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

fn ours(programs: &Programs, certificates: &Path) -> Command {
    let mut command = Command::new(programs.directory.join("se050-iot"));
    // Its report goes beside the certificates, under another name in each run.
    let report =
        certificates.with_extension(format!("report-{:?}", std::time::Instant::now()).replace(' ', ""));
    command
        .args(["provision", "--thing-name", "bench-{certificate}", "--rate", "10000", "--fleet"])
        .arg(certificates);
    // A line for each device; an error ends with its exit status.
    command.arg("--report").arg(report).stderr(std::process::Stdio::null());
    command
}

/// The calls of the maker's how-to, one process each.
fn with_cli(
    programs: &Programs,
    certificates: &Path,
    environment: &[(String, String)],
) -> anyhow::Result<Used> {
    let cli = programs.python.with_file_name("aws");
    let certificate = certificates.join("device-0.pem");
    let policy =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]}"#;
    let mut total: Option<Used> = None;
    let mut call = |arguments: &[&str]| -> anyhow::Result<String> {
        let mut command = Command::new(&cli);
        let used = process::run(command.arg("iot").args(arguments).envs(environment.iter().cloned()))?;
        let output = used.output.trim().to_owned();
        match &mut total {
            None => total = Some(used),
            Some(total) => {
                total.seconds += used.seconds;
                total.cpu_seconds += used.cpu_seconds;
                total.peak = total.peak.max(used.peak);
            }
        }
        Ok(output)
    };
    let pem = format!("file://{}", certificate.display());
    call(&["create-thing", "--thing-name", "bench"])?;
    call(&["create-policy", "--policy-name", "bench", "--policy-document", policy])?;
    let register = ["register-certificate-without-ca", "--certificate-pem", &pem, "--status", "ACTIVE"];
    let arn = call(&[&register[..], &["--query", "certificateArn", "--output", "text"]].concat())?;
    call(&["attach-policy", "--policy-name", "bench", "--target", &arn])?;
    call(&["attach-thing-principal", "--thing-name", "bench", "--principal", &arn])?;
    call(&["describe-endpoint", "--endpoint-type", "iot:Data-ATS"])?;
    total.context("no call was made")
}
