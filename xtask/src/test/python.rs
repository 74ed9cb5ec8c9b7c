//! The Python programs that the tests need (the AWS CLI), in a private virtual environment, pinned with hashes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::root::{root, target};

/// The virtual environment.
pub(crate) fn directory() -> PathBuf {
    target().join("test-venv")
}

/// Makes the virtual environment, unless it is there with the same pins.
pub(crate) fn install_missing() -> anyhow::Result<()> {
    let requirements = root().join("xtask/requirements.txt");
    let pins = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let venv = directory();
    let installed = venv.join("installed-requirements.txt");
    if fs::read_to_string(&installed).is_ok_and(|done| done == pins) {
        println!("python: all there");
        return Ok(());
    }
    println!("python: installing {} into {}", requirements.display(), venv.display());
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    run(Command::new(venv.join("bin/pip"))
        .args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "--only-binary",
            ":all:",
            "-r",
        ])
        .arg(&requirements))?;
    fs::write(&installed, pins).with_context(|| format!("cannot write {}", installed.display()))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?} does not start"))?;
    ensure!(
        status.success(),
        "{command:?} failed; what it says is above. It needs PyPI, or a mirror of it that pip knows"
    );
    Ok(())
}
