//! `cargo xtask advisor`: AWS's Device Advisor cases on this project's programs, AWS's SDK for Python, and bare rumqttc.

use std::process::{Command, ExitCode};

use clap::Args;

use crate::command::exit_code_of;
use crate::files::make_directory;
use crate::root::{cargo_build, root, shown, target};
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
    let packages = ["device-advisor", "telemetry", "subscriber", "shadow", "jobs", "se050-sim", "se050-iot"];
    let packages = packages.iter().flat_map(|package| ["-p", package]);
    cargo_build(&packages.chain(["--bins", "--examples"]).collect::<Vec<_>>())?;
    python::install_missing(&["awsiotsdk"]);
    let programs = target().join("debug");
    let directory = target().join("advisor");
    make_directory(&directory)?;
    let table = directory.join("table.md");
    let mut advisor = Command::new(programs.join("device-advisor"));
    advisor.current_dir(root()).arg("--programs").arg(&programs).arg("--table").arg(&table);
    advisor.arg("--python").arg(python::directory().join("bin/python"));
    advisor.args(options.device.iter().flat_map(|command| ["--device", command]));
    advisor.args(options.cases.iter().flat_map(|case| ["--case", case]));
    let code = exit_code_of(&mut advisor)?;
    println!("the table is in {}", shown(&table));
    Ok(code)
}
