//! `cargo xtask bench`: this project measured beside what users would take instead (`crates/benchmarks`).

use std::process::{Command, ExitCode};

use clap::Args;

use crate::command::exit_code_of;
use crate::cross::{ToolchainOptions, artifacts_directory};
use crate::image;
use crate::root::{cargo, cargo_build, root, target};
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
    programs::install_missing(programs::NEEDED)?;
    if options.quick {
        return quick(options.record);
    }
    python::install_missing(&["awsiotsdk", "aws-cli", "moto"]);
    let whole = options.only.is_empty();
    if whole && let Err(error) = image::build_alone(&options.cross) {
        // The report says so, too.
        println!("no programs or no image for the device: {error:#}");
    }
    cargo_build(&["--release", "--bins", "-p", "benchmarks", "-p", "se050-sim"])?;
    // Apart, since the AWS SDK takes minutes.
    if whole || options.only.iter().any(|part| ["provisioning", "many-devices"].contains(&part.as_str())) {
        cargo_build(&["--release", "-p", "se050-iot"])?;
    }
    // As it goes to devices: what a program takes in memory is mostly its own code.
    cargo_build(&["--profile", "dist", "-p", "benchmarks", "--no-default-features", "--bin", "connect"])?;
    let (programs, device) = (target().join("release"), options.cross.device.device());
    let mut bench = Command::new(programs.join("benchmarks"));
    bench.current_dir(root()).arg("--programs").arg(&programs).arg("--dist").arg(target().join("dist"));
    bench.arg("--device").arg(artifacts_directory(device));
    bench.arg("--image").arg(device.directory(target(), "image"));
    bench.arg("--python").arg(python::directory().join("bin/python"));
    bench.arg("--rounds").arg(options.rounds.to_string());
    if whole {
        bench.arg("--report").arg(root().join("docs/benchmarks.md"));
    }
    bench.args(options.only.iter().flat_map(|part| ["--only", part]));
    exit_code_of(bench.env("TEST_VENV", python::directory()))
}

/// The test that counts instructions, alone.
fn quick(record: bool) -> anyhow::Result<ExitCode> {
    let mut test = cargo();
    test.args(["test", "--locked", "-p", "benchmarks", "--test", "instructions", "--", "--nocapture"]);
    if record {
        test.env("BENCH_RECORD", "1");
    }
    exit_code_of(&mut test)
}
