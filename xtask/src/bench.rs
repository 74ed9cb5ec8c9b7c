//! `cargo xtask bench`: this project measured beside what users would take instead (`crates/benchmarks`).

use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::command::installed;
use crate::debian;
use crate::root::{cargo, root, shown, target};
use crate::test::{programs, python};

#[derive(Args)]
pub(crate) struct BenchOptions {
    /// Only count instructions, and fail where they are more than recorded; a minute
    #[arg(long, conflicts_with = "only")]
    quick: bool,
    /// Only this part of the report, which is printed and not written; may be given several times
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// How often each is run; the tables show medians
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Write down today's instruction counts, for later runs to be compared with
    #[arg(long)]
    record: bool,
}

pub(crate) fn run(options: &BenchOptions) -> anyhow::Result<ExitCode> {
    programs::install_missing()?;
    if installed(&["valgrind"]).is_none() && debian::can_install() {
        debian::install(&["valgrind"])?;
    }
    let mut build = cargo();
    build.args([
        "build",
        "--locked",
        "--release",
        "-p",
        "benchmarks",
        "--bins",
        "--examples",
        "-p",
        "se050-sim",
    ]);
    if !options.quick {
        python::install_missing(&["awsiotsdk", "aws-cli", "moto"]);
        build.args(["-p", "se050-iot"]);
    }
    ensure!(
        build.status().context("cargo does not start")?.success(),
        "cargo build failed; what it says is above"
    );
    let programs = target().join("release");
    let mut bench = Command::new(programs.join("benchmarks"));
    bench.current_dir(root()).arg("--programs").arg(&programs).arg("--device").arg(target().join("device"));
    bench.arg("--python").arg(python::directory().join("bin/python"));
    bench.arg("--rounds").arg(options.rounds.to_string());
    let report = root().join("docs/benchmarks.md");
    let whole = !options.quick && options.only.is_empty();
    if whole {
        bench.arg("--report").arg(&report);
    }
    let parts = if options.quick { vec!["instructions".to_owned()] } else { options.only.clone() };
    bench.args(parts.iter().flat_map(|part| ["--only", part]));
    bench.args(options.record.then_some("--record"));
    let status = bench.env("TEST_VENV", python::directory()).status().context("benchmarks does not start")?;
    if whole && status.success() {
        println!("the report is in {}", shown(&report));
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
