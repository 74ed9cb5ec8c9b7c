//! `cargo xtask advisor`: AWS's Device Advisor cases on this project's programs, AWS's SDK for Python, and bare rumqttc.

use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::root::{cargo, root, shown, target};
use crate::test::python;

#[derive(Args)]
pub(crate) struct AdvisorOptions {
    /// Judge this program alone; in the command, {host} {port} {ca} {cert} {key} {client_id} {topic} are replaced
    #[arg(long, value_name = "COMMAND")]
    device: Option<String>,
    /// Only these cases (a part of the name is enough); may be given several times
    #[arg(long = "case", value_name = "ID")]
    cases: Vec<String>,
}

pub(crate) fn run(options: &AdvisorOptions) -> anyhow::Result<ExitCode> {
    let mut build = cargo();
    build.args(["build", "--locked", "-p", "device-advisor", "--bins", "--examples"]);
    build.args([
        "-p",
        "telemetry",
        "-p",
        "subscriber",
        "-p",
        "shadow",
        "-p",
        "jobs",
        "-p",
        "se050-sim",
        "-p",
        "se050-iot",
    ]);
    ensure!(
        build.status().context("cargo does not start")?.success(),
        "cargo build failed; what it says is above"
    );
    let programs = target().join("debug");
    let directory = target().join("advisor");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let table = directory.join("table.md");
    let mut advisor = Command::new(programs.join("device-advisor"));
    advisor.current_dir(root()).arg("--programs").arg(&programs).arg("--table").arg(&table);
    python::install_missing(&["awsiotsdk"]);
    advisor.arg("--python").arg(python::directory().join("bin/python"));
    advisor.args(options.device.iter().flat_map(|command| ["--device", command]));
    advisor.args(options.cases.iter().flat_map(|case| ["--case", case]));
    let status = advisor.status().context("device-advisor does not start")?;
    println!("the table is in {}", shown(&table));
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
