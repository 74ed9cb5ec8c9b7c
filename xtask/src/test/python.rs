//! The Python programs that the tests need (the AWS CLI, moto, ministack), in private virtual environments, pinned with hashes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::root::{root, target};

/// The virtual environment.
pub(crate) fn directory() -> PathBuf {
    target().join("test-venv")
}

/// Makes the virtual environments, unless they are there with the same pins. Without ministack, only its tests are skipped: it
/// pins other versions than the AWS CLI, and its wheels are not there for every system.
pub(crate) fn install_missing() -> anyhow::Result<()> {
    install("requirements.txt", &directory())?;
    if let Err(error) = install("requirements-ministack.txt", &target().join("test-venv-ministack")) {
        println!("python: without ministack: {error:#}");
    }
    Ok(())
}

fn install(requirements: &str, venv: &Path) -> anyhow::Result<()> {
    let requirements = root().join("xtask").join(requirements);
    let pins = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let installed = venv.join("installed-requirements.txt");
    if fs::read_to_string(&installed).is_ok_and(|done| done == pins) {
        println!("python: all there in {}", venv.display());
        return Ok(());
    }
    println!("python: installing {} into {}", requirements.display(), venv.display());
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv))?;
    let options =
        ["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"];
    run(Command::new(venv.join("bin/pip")).args(options).arg("-r").arg(&requirements))?;
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
