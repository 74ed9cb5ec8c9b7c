//! `cargo xtask test`: everything that has to hold before a change lands. CI runs exactly this.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;

use crate::root::cargo;

mod count;
mod debian;
mod python;

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

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    println!("== what the tests need");
    if let Err(error) = debian::install_missing().and_then(|()| python::install_missing()) {
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
    let counts = count::run_tests()?;
    for skip in &counts.skips {
        println!("skipped: {skip}");
    }
    println!("{:.0} s in all", started.elapsed().as_secs_f32());
    println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skips.len());
    Ok(if counts.all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
