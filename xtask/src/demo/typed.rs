//! A command as a user would type it, shown with what it prints and how long it took.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, anyhow, ensure};

use crate::root::root;

/// A program that runs in the project's root with nothing of the caller's environment: no profile, no credentials, no proxy.
pub(crate) fn program(file: &Path) -> Command {
    let mut command = Command::new(file);
    command.current_dir(root()).env_clear().stdin(Stdio::null());
    command
}

/// The command line as a user types it.
pub(crate) fn show(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words: Vec<_> =
        [name].into_iter().chain(command.get_args()).map(|word| word.to_string_lossy()).collect();
    let line = words.join(" ");
    println!("      $ {line}");
    line
}

/// Runs the command to its end and returns its standard output.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<String> {
    let line = show(command);
    let started = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.as_mut().map_err(|error| anyhow!("{line}: cannot be started: {error}"))?;
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let output = thread::scope(|scope| {
        scope.spawn(|| errors.map(show_lines));
        output.map(show_lines).unwrap_or_default()
    });
    let status = child.wait().context("waiting for the program")?;
    ensure!(
        status.success(),
        "{line} ended with {status}; what it says is above. To look closer, run the command by itself from the project's root (the \
         program is {})",
        Path::new(command.get_program()).display()
    );
    println!("      done in {:.2} s", started.elapsed().as_secs_f32());
    Ok(output)
}

fn show_lines(stream: impl Read) -> String {
    let mut all = String::new();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        println!("      | {line}");
        all.push_str(&line);
        all.push('\n');
    }
    all
}
