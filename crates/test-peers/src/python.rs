//! Python modules from the private virtual environment that `cargo xtask test` makes.

use std::process::{Command, Stdio};

use crate::aws_cli::virtual_environment;

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
