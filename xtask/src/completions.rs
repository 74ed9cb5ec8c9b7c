//! `cargo xtask completions`: shell completions and manual pages of `se050-iot` as it is on the device.

use std::path::Path;
use std::process::ExitCode;

use crate::command::run_shown;
use crate::root::{cargo, shown, target};

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    make(&target().join("device/share"))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes them below that directory, as they lie below /usr/share. The program that describes itself is built for this PC, without the
/// operator's half: the device's own program leaves the code for it out.
pub(crate) fn make(directory: &Path) -> anyhow::Result<()> {
    let mut command = cargo();
    command.args([
        "run",
        "--quiet",
        "--locked",
        "-p",
        "se050-iot",
        "--no-default-features",
        "--features",
        "completions",
    ]);
    command.args(["--", "completions", "--dir"]).arg(directory);
    run_shown(&mut command)?;
    println!("completions and manual pages: {}", shown(directory));
    Ok(())
}
