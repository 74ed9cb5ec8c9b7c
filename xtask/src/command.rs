//! Running other people's programs: what they print is shown only when they fail; and what a command of ours says meanwhile.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, bail};

/// Runs the command and returns its standard output; where it fails, everything it printed is in the error.
pub(crate) fn output_of(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("{} does not start", name_of(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}\n{text}{errors}", output.status);
    }
    Ok(text)
}

/// Runs the command with what it prints going straight to the terminal: for what takes its time.
pub(crate) fn run_shown(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{} does not start", name_of(command)))?;
    if !status.success() {
        bail!("{} ended with {status}; what it says is above", name_of(command));
    }
    Ok(())
}

/// Runs a program that says itself what is wrong, and returns its success as ours.
pub(crate) fn exit_code_of(command: &mut Command) -> anyhow::Result<ExitCode> {
    let status = command.status().with_context(|| format!("{} does not start", name_of(command)))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The first of these programs that is installed.
///
/// Looks in `PATH`, and in the two `sbin` directories, which a user's `PATH` lacks on Debian.
pub(crate) fn installed(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(|directory| Path::new(directory).to_owned()))
        .collect();
    names
        .iter()
        .flat_map(|name| directories.iter().map(move |in_| in_.join(name)))
        .find(|file| file.is_file())
}

fn name_of(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// A step that takes its time: announced before, timed after.
pub(crate) struct Step {
    name: String,
    started: Instant,
}

impl Step {
    pub(crate) fn begin(name: impl Display, what: impl Display) -> Self {
        println!("{name}: {what} …");
        Self { name: name.to_string(), started: Instant::now() }
    }

    pub(crate) fn done(self) {
        println!("{}: done in {:.1} s", self.name, self.started.elapsed().as_secs_f32());
    }
}
