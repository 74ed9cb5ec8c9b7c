//! `cargo xtask test`: everything that has to hold before a change lands. CI runs exactly this, with `--cross`.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;

use crate::root::cargo;
use crate::{cross, image};

mod count;
mod programs;
pub(crate) mod python;

pub(crate) use count::{Counts, counted};

/// The exit status when something that the tests need is missing and cannot be installed here.
const CANNOT_INSTALL: u8 = 3;

/// What is checked before the tests: a name, and cargo's arguments.
const CHECKS: [(&str, &[&str]); 5] = [
    ("formatting", &["fmt", "--all", "--check"]),
    ("clippy", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    (
        "clippy, device build of se050-iot",
        &["clippy", "-p", "se050-iot", "--no-default-features", "--locked", "--", "-D", "warnings"],
    ),
    ("docs", &["doc", "--workspace", "--no-deps", "--locked"]),
    ("building the tests", &["test", "--workspace", "--locked", "--no-run"]),
];

#[derive(Args)]
pub(crate) struct TestOptions {
    /// Then build for the device (`cargo xtask cross`), run that under an emulator, and check the container image
    #[arg(long)]
    cross: bool,
    #[command(flatten)]
    options: cross::ToolchainOptions,
}

pub(crate) fn run(options: &TestOptions) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    println!("== what the tests need");
    if let Err(error) = programs::install_missing().and_then(|()| python::install_missing()) {
        eprintln!("\n{error:#}");
        return Ok(ExitCode::from(CANNOT_INSTALL));
    }
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
    println!("== all tests");
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    let mut counts = counted(tests)?;
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
