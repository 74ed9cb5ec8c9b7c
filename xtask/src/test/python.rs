//! The Python programs that the tests need, each pinned with hashes, in a private virtual environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::command::{output_of, run_shown};
use crate::root::{root, target};

/// Where each program's pins lie.
const PINS: &str = "xtask/python";

/// Programs with a virtual environment of their own, because they pin other versions than the others (botocore).
const APART: [&str; 1] = ["ministack"];

/// The virtual environment.
pub(crate) fn directory() -> PathBuf {
    target().join("test-venv")
}

/// Installs all programs that have pins, so that no test is skipped because a list has forgotten one.
pub(crate) fn install_all() {
    let mut names: Vec<String> = fs::read_dir(root().join(PINS))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned))
        .collect();
    names.sort();
    install_missing(&names.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Installs those of the programs that are missing. One that cannot be installed is told: the tests that need it are skipped.
pub(crate) fn install_missing(names: &[&str]) {
    for name in names {
        let mut venv = directory();
        if APART.contains(name) {
            venv.set_file_name(format!("test-venv-{name}"));
        }
        if let Err(error) = install(&root().join(PINS).join(name).with_extension("txt"), &venv) {
            println!("python: what needs {name} is skipped: {error:#}");
        }
    }
}

/// Installs one program with its dependencies, unless it is there with the same pins.
///
/// # Errors
/// Python has no venv, or PyPI cannot be reached.
pub(crate) fn install(pins: &Path, venv: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(pins).with_context(|| format!("cannot read {}", pins.display()))?;
    let file_name = pins.file_name().unwrap_or_default().to_string_lossy();
    let name = file_name.trim_end_matches(".txt");
    let installed = venv.join(format!("installed-{file_name}"));
    if fs::read_to_string(&installed).is_ok_and(|done| done == text) {
        println!("python: {name} is there");
        return Ok(());
    }
    println!("python: installing {name} into {}", venv.display());
    if !venv.join("bin/pip").is_file() {
        output_of(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv))
            .context("Python with venv is needed (Debian: package python3-venv)")?;
    }
    let mut pip = Command::new(venv.join("bin/pip"));
    // Most of a program is never imported; what is, Python compiles then.
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-compile", "--retries", "5"]);
    pip.args(["--require-hashes", "--only-binary", ":all:", "-r"]).arg(pins);
    run_shown(&mut pip).context("it needs PyPI, or a mirror of it that pip knows")?;
    fs::write(&installed, text).with_context(|| format!("cannot write {}", installed.display()))
}
