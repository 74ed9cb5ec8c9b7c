//! `cargo xtask abuse`: the long forms of the tests that kill, cut, fill and wear. It ends by itself, and prints figures.

use std::io::{BufRead as _, BufReader};
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;

use crate::root::cargo;
use crate::test::programs;

/// What is run: what it is about, the package with its features, the test program, and the tests.
const PARTS: [(&str, &[&str], &str); 4] = [
    (
        "the durable outbox on a disk that fails",
        &["-p", "aws-iot-mqtt", "--features", "durable", "--lib"],
        "outbox::durable",
    ),
    (
        "SIGKILL, network faults, wear, a million messages",
        &["-p", "aws-iot-mqtt", "--features", "durable", "--test", "client"],
        "abuse::",
    ),
    ("each answer of the chip at each call", &["-p", "se050-key", "--test", "chip"], "every_answer::"),
    // The whole workspace: with other features, the AWS SDK would be built once more.
    (
        "altered seeds of the fuzz targets, a minute for each target",
        &["--workspace", "--lib", "--test", "command"],
        "makes_it_panic",
    ),
];

#[derive(Args)]
pub(crate) struct AbuseOptions {
    /// Only the tests whose name contains this
    #[arg(value_name = "NAME")]
    only: Option<String>,
}

pub(crate) fn run(options: &AbuseOptions) -> anyhow::Result<ExitCode> {
    programs::install_missing(programs::NEEDED)?;
    let started = Instant::now();
    let mut good = true;
    for (about, target, tests) in PARTS {
        println!("== {about}");
        let mut command = cargo();
        command.args(["test", "--locked"]).args(target).arg("--");
        let tests = options.only.as_deref().unwrap_or(tests);
        // One after the other: they measure.
        command.args([tests, "--nocapture", "--test-threads", "1"]).env("ABUSE", "1");
        let mut child = command.stdout(Stdio::piped()).spawn().context("cargo does not start")?;
        let lines = BufReader::new(child.stdout.take().context("its standard output")?).lines();
        for line in lines {
            let line = line.context("what cargo prints")?;
            if line.contains("figure: ") || line.starts_with("test ") {
                println!("{line}");
            }
        }
        good &= child.wait().context("cargo")?.success();
    }
    println!("{:.0} s in all", started.elapsed().as_secs_f32());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
