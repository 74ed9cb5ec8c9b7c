//! Python modules and programs from the private virtual environment that `cargo xtask test` makes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The environment's Python, which has that module, or `None` after writing down the skip.
pub fn python(module: &str) -> Option<Command> {
    let program = virtual_environment().join("bin/python");
    let has_it = Command::new(&program)
        .args(["-c", &format!("import {module}")])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_it {
        crate::skip(&format!("{} has no module {module} (cargo xtask test installs it)", program.display()));
        return None;
    }
    Some(Command::new(program))
}

/// A program of that environment, or `None` after writing down the skip.
pub fn venv_program(name: &str) -> Option<PathBuf> {
    let program = virtual_environment().join("bin").join(name);
    if !program.is_file() {
        crate::skip(&format!("{} is not installed (cargo xtask test installs it)", program.display()));
        return None;
    }
    Some(program)
}

/// Where `cargo xtask test` installs the Python programs: named by `TEST_VENV`, or in the workspace's target directory.
pub(crate) fn virtual_environment() -> PathBuf {
    if crate::skip::without_peers() {
        return PathBuf::from("nowhere (cargo xtask test --fast)");
    }
    std::env::var_os("TEST_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-venv"), PathBuf::from)
}
