//! `cargo xtask bench`: this project measured beside what users would take instead (`crates/benchmarks`).

use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::cross::{ToolchainOptions, artifacts_directory};
use crate::image;
use crate::root::{cargo, root, shown, target};
use crate::test::{programs, python};

#[derive(Args)]
pub(crate) struct BenchOptions {
    /// Only count instructions of the development build, and fail where they are more than recorded; `cargo xtask test` does the same
    #[arg(long, conflicts_with = "only")]
    quick: bool,
    /// Only this part of the report, which is printed and not written; may be given several times
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// How often each is run; the tables show medians
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Write down today's instruction counts, for later runs to be compared with
    #[arg(long, requires = "quick")]
    record: bool,
    #[command(flatten)]
    cross: ToolchainOptions,
}

pub(crate) fn run(options: &BenchOptions) -> anyhow::Result<ExitCode> {
    programs::install_missing()?;
    if options.quick {
        return quick(options.record);
    }
    python::install_missing(&["awsiotsdk", "aws-cli", "moto"]);
    let device = artifacts_directory(options.cross.device.device());
    let whole = options.only.is_empty();
    if whole && let Err(error) = image::build_alone(&options.cross) {
        // The report says so, too.
        println!("no programs or no image for the device: {error:#}");
    }
    build(&["--release", "--bins", "-p", "benchmarks", "-p", "se050-sim"])?;
    // Apart, since the AWS SDK takes minutes.
    if whole || options.only.iter().any(|part| ["provisioning", "many-devices"].contains(&part.as_str())) {
        build(&["--release", "-p", "se050-iot"])?;
    }
    // As it goes to devices: what a program takes in memory is mostly its own code.
    build(&["--profile", "dist", "-p", "benchmarks", "--no-default-features", "--bin", "connect"])?;
    let programs = target().join("release");
    let mut bench = Command::new(programs.join("benchmarks"));
    bench.current_dir(root()).arg("--programs").arg(&programs).arg("--dist").arg(target().join("dist"));
    bench
        .arg("--device")
        .arg(&device)
        .arg("--image")
        .arg(options.cross.device.device().directory(target(), "image"));
    bench.arg("--python").arg(python::directory().join("bin/python"));
    bench.arg("--rounds").arg(options.rounds.to_string());
    let report = root().join("docs/benchmarks.md");
    if whole {
        bench.arg("--report").arg(&report);
    }
    bench.args(options.only.iter().flat_map(|part| ["--only", part]));
    let status = bench.env("TEST_VENV", python::directory()).status().context("benchmarks does not start")?;
    if whole && status.success() {
        println!("the report is in {}", shown(&report));
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The test that counts instructions, alone.
fn quick(record: bool) -> anyhow::Result<ExitCode> {
    let mut test = cargo();
    test.args(["test", "--locked", "-p", "benchmarks", "--test", "instructions", "--", "--nocapture"]);
    if record {
        test.env("BENCH_RECORD", "1");
    }
    let status = test.status().context("cargo does not start")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn build(arguments: &[&str]) -> anyhow::Result<()> {
    let status =
        cargo().args(["build", "--locked"]).args(arguments).status().context("cargo does not start")?;
    ensure!(status.success(), "cargo build failed; what it says is above");
    Ok(())
}
