//! Runs AWS's Device Advisor cases on several devices, and shows them side by side.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use device_advisor::{CASES, Case, Device, Table, devices};

/// Runs AWS's Device Advisor cases on this project's examples, on AWS's SDK for Python, and on bare rumqttc
#[derive(Parser)]
struct Args {
    /// Where cargo has built the programs
    #[arg(long, value_name = "DIR", default_value = "target/debug")]
    programs: PathBuf,
    /// A Python that knows awsiotsdk; without it, the SDK is left out
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Judge this program alone: it has to subscribe to {topic} at QoS 1 with a persistent session and to publish once a second. In the
    /// command, {host} {port} {ca} {cert} {key} {client_id} {topic} are replaced
    #[arg(long, value_name = "COMMAND")]
    device: Option<String>,
    /// Only these cases (a part of the name is enough); may be given several times
    #[arg(long = "case", value_name = "ID")]
    cases: Vec<String>,
    /// Only the cases that take seconds
    #[arg(long)]
    short: bool,
    /// Where to write the tables (Markdown)
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
}

impl Args {
    fn wants(&self, case: &Case) -> bool {
        let named = self.cases.is_empty() || self.cases.iter().any(|part| case.id.contains(part.as_str()));
        named && !(self.short && case.long)
    }

    fn devices(&self, scratch: &std::path::Path) -> anyhow::Result<Vec<Device>> {
        if let Some(command) = &self.device {
            return Ok(vec![Device::of_command("device", command)]);
        }
        let mut chosen = vec![devices::ours(&self.programs, scratch)?];
        match self.python.as_deref().map(devices::aws_sdk) {
            Some(Ok(sdk)) => chosen.push(sdk),
            Some(Err(error)) => eprintln!("AWS's SDK is left out: {error:#}"),
            None => eprintln!("AWS's SDK is left out: no --python"),
        }
        chosen.push(devices::rumqttc(&self.programs));
        Ok(chosen)
    }
}

/// The exit status is 0 when the first device has no failed case and passes all those needed for qualification without a warning.
fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let scratch = tempfile::tempdir()?;
    let devices = args.devices(scratch.path())?;
    anyhow::ensure!(CASES.iter().any(|case| args.wants(case)), "no case has such a name");
    let run = |device: &Device| device_advisor::run(device, |case| args.wants(case));
    let tables: Vec<Table> = std::thread::scope(|scope| {
        let runs: Vec<_> = devices.iter().map(|device| scope.spawn(|| run(device))).collect();
        runs.into_iter()
            .map(|run| run.join().unwrap_or_else(|_| anyhow::bail!("a thread of the judge has died")))
            .collect::<anyhow::Result<_>>()
    })?;
    let text = device_advisor::side_by_side(&tables);
    println!("\n{text}");
    if let Some(file) = &args.table {
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(if tables.first().is_some_and(Table::qualifies) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
