//! One step of the demo: a command, shown as a user would type it, with what it prints and how long it took.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};

use crate::root::root;

/// Says what is done next.
pub(crate) fn announce(number: u32, what: &str) {
    println!("\n[{number}/6] {what}");
}

/// Says how long it took.
pub(crate) fn done(started: Instant) {
    println!("      done in {:.2} s", started.elapsed().as_secs_f32());
}

/// A program of the project with its arguments.
pub(crate) struct Program {
    file: PathBuf,
    arguments: Vec<OsString>,
    shown: String,
    environment: Vec<(String, String)>,
}

impl Program {
    pub(crate) fn new(file: PathBuf) -> Self {
        let shown = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { file, arguments: Vec::new(), shown, environment: Vec::new() }
    }

    pub(crate) fn arg(mut self, argument: &str) -> Self {
        let _ = write!(self.shown, " {argument}");
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn args<const N: usize>(self, arguments: [&str; N]) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// A file or directory: shown, and given, from the project's root.
    pub(crate) fn path(mut self, path: &Path) -> Self {
        let path = path.strip_prefix(root()).unwrap_or(path);
        let _ = write!(self.shown, " {}", path.display());
        self.arguments.push(path.into());
        self
    }

    pub(crate) fn environment(mut self, variables: &[(String, String)]) -> Self {
        self.environment.extend_from_slice(variables);
        self
    }

    /// The command with nothing of the caller's environment: no profile, no credentials, no proxy gets in.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.file);
        command.args(&self.arguments).current_dir(root()).stdin(Stdio::null()).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The command line as a user types it.
    pub(crate) fn show(&self) {
        println!("      $ {}", self.shown);
    }

    /// Runs it to its end, showing what it prints, and returns its standard output.
    pub(crate) fn run(self) -> anyhow::Result<String> {
        self.show();
        let started = Instant::now();
        let mut child = self
            .command()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", self.file.display()))?;
        let errors = child.stderr.take().context("no standard error")?;
        let shower = std::thread::spawn(move || show_lines(errors));
        let output = show_lines(child.stdout.take().context("no standard output")?);
        let status = child.wait().context("waiting for the program")?;
        let _ = shower.join();
        if !status.success() {
            bail!(
                "{} ended with {status}; what it says is above. To look closer, run the command by itself from the project's root \
                   (the programs are in {})",
                self.shown,
                self.file.parent().unwrap_or(&self.file).display()
            );
        }
        done(started);
        Ok(output)
    }
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
