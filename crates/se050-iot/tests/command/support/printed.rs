//! Commands that programs print for people to type: found in what was printed, and run as it stands there.

use std::env;
use std::path::Path;
use std::process::Command;

use super::{Operator, text};

/// What a printed command begins with.
const PROGRAMS: [&str; 4] = ["se050-iot ", "pubsub ", "aws ", "eval "];

/// The commands in a text: in backticks, or at the end of a line behind two spaces, `next: ` or `: `.
pub(crate) fn commands_in(text: &str) -> Vec<String> {
    let is_command = |text: &&str| PROGRAMS.iter().any(|program| text.starts_with(program));
    let mut commands = Vec::new();
    for line in text.lines() {
        let quoted: Vec<&str> = line.split('`').skip(1).step_by(2).filter(is_command).collect();
        let at_the_end = [line.trim_start(), line.rsplit_once(": ").map_or("", |(_, rest)| rest)];
        let found = if quoted.is_empty() {
            at_the_end.into_iter().filter(is_command).take(1).collect()
        } else {
            quoted
        };
        commands.extend(found.into_iter().map(str::to_owned));
    }
    commands
}

/// Runs the command as a person would type it, in the operator's directory, and returns what it printed.
#[track_caller]
pub(crate) fn run_in_shell(operator: &Operator, command: &str) -> String {
    let output = shell(operator, command).output().unwrap();
    let (printed, said) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command}: {printed}{said}");
    printed + &said
}

pub(crate) fn shell(operator: &Operator, command: &str) -> Command {
    let programs = Path::new(env!("CARGO_BIN_EXE_se050-iot")).parent().unwrap().to_owned();
    let venv = env::var_os("TEST_VENV").map_or_else(|| programs.join("../test-venv"), Into::into).join("bin");
    let path = env::join_paths([programs, venv, "/usr/bin".into(), "/bin".into()]).unwrap();
    let mut shell = Command::new("/bin/sh");
    shell.current_dir(operator.path("")).args(["-c", command]).env_clear();
    shell.envs(operator.environment().to_vec()).env("PATH", path).env("AWS_PAGER", "");
    shell
}
