//! The Python programs that the tests need, each pinned with hashes, in a private virtual environment.

use std::fs;
use std::path::PathBuf;
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
        if let Err(error) = install(name) {
            println!("python: what needs {name} is skipped: {error:#}");
        }
    }
}

/// Installs one program with its dependencies, unless it is there with the same pins.
fn install(name: &str) -> anyhow::Result<()> {
    let pins = root().join(PINS).join(name).with_extension("txt");
    let text = fs::read_to_string(&pins).with_context(|| format!("cannot read {}", pins.display()))?;
    let mut venv = directory();
    if APART.contains(&name) {
        venv.set_file_name(format!("test-venv-{name}"));
    }
    let installed = venv.join(format!("installed-{name}.txt"));
    if fs::read_to_string(&installed).is_ok_and(|done| done == text) {
        println!("python: {name} is there");
        return Ok(());
    }
    println!("python: installing {name} into {}", venv.display());
    if !venv.join("bin/pip").is_file() {
        output_of(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    }
    run_shown(
        Command::new(venv.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "--retries", "5"])
            .args(["--require-hashes", "--only-binary", ":all:", "-r"])
            .arg(&pins),
    )
    .context("it needs PyPI, or a mirror of it that pip knows")?;
    fs::write(&installed, text).with_context(|| format!("cannot write {}", installed.display()))
}
