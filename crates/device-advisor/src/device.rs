//! The device under test: programs that are started for each case.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::credentials::{Credentials, HOST};

/// What a program of the device does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Publishes once a second or so, for as long as it runs.
    Publisher,
    /// Subscribes to its topic at QoS 1 with a persistent session, and acknowledges what comes.
    Subscriber,
    /// Follows its device shadow: reports its state, takes what is desired.
    Shadow,
    /// Runs jobs.
    Jobs,
}

/// A device: how its programs are started.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its name in the table.
    pub name: String,
    /// The publisher's command line. `{host} {port} {ca} {cert} {key} {client_id} {topic} {config} {chip}` are replaced in it.
    pub publisher: Vec<String>,
    /// The subscriber's.
    pub subscriber: Vec<String>,
    /// The program that follows the device shadow, where there is one.
    pub shadow: Option<Vec<String>>,
    /// The program that runs jobs, where there is one.
    pub jobs: Option<Vec<String>>,
    /// The command that prints the policy which the device gets, where there is one.
    pub policy: Option<Vec<String>>,
    /// A device configuration (`device.toml`) for our own programs: the text, in which the same is replaced.
    pub config: Option<String>,
    /// A directory that each case gets a copy of (the simulated chip): `{chip}`.
    pub chip: Option<PathBuf>,
}

/// Where a case's device runs and connects. Replaced in command lines and in the configuration: `{host} {port} {ca} {cert} {key}
/// {client_id} {topic} {config} {chip}`.
pub(crate) struct Place<'a> {
    /// A directory of the case's own.
    pub(crate) directory: &'a Path,
    /// The server's port.
    pub(crate) port: u16,
    /// The credentials of the run.
    pub(crate) credentials: &'a Credentials,
    /// The client id.
    pub(crate) client_id: &'a str,
}

/// A running program; it ends with this value.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Device {
    /// Writes the files of a case into its directory.
    ///
    /// # Errors
    /// The file system refuses.
    pub(crate) fn prepare(&self, place: &Place<'_>) -> anyhow::Result<()> {
        let write = |name: &str, text: &str| {
            let file = place.directory.join(name);
            std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
        };
        write("ca.pem", &place.credentials.ca_pem)?;
        write("device.pem", &place.credentials.device_pem)?;
        write("device.key", &place.credentials.device_key_pem)?;
        if let Some(chip) = &self.chip {
            let status = Command::new("cp").arg("-a").arg(chip).arg(place.directory.join("chip")).status()?;
            ensure!(status.success(), "cannot copy {}", chip.display());
        }
        match &self.config {
            Some(text) => write("device.toml", &replaced(text, place)),
            None => Ok(()),
        }
    }

    /// The command line of the program of that role, where there is one.
    pub(crate) fn command(&self, role: Role) -> Option<&[String]> {
        match role {
            Role::Publisher => Some(&self.publisher),
            Role::Subscriber => Some(&self.subscriber),
            Role::Shadow => self.shadow.as_deref(),
            Role::Jobs => self.jobs.as_deref(),
        }
    }

    /// Starts the program of that role.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(&self, role: Role, place: &Place<'_>) -> anyhow::Result<Running> {
        let command = self.command(role).context("the device has no such program")?;
        let (program, arguments) = command.split_first().context("the device has no command")?;
        let log = place.directory.join("device.log");
        let output = File::options().create(true).append(true).open(&log)?;
        let child = Command::new(replaced(program, place))
            .args(arguments.iter().map(|argument| replaced(argument, place)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy")
            .spawn()
            .with_context(|| format!("{program} does not start"))?;
        Ok(Running { child, log })
    }
}

impl Running {
    /// Says so where the program has ended, with the last lines that it printed.
    ///
    /// # Errors
    /// The program has ended.
    pub(crate) fn still_runs(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(3).collect();
            let last: Vec<&str> = lines.into_iter().rev().collect();
            anyhow::bail!("the device's program ended ({status}): {}", last.join(" / "));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn replaced(text: &str, place: &Place<'_>) -> String {
    let file = |name: &str| place.directory.join(name).display().to_string();
    let mut text = text.to_owned();
    for (name, value) in [
        ("{host}", HOST.to_owned()),
        ("{port}", place.port.to_string()),
        ("{ca}", file("ca.pem")),
        ("{cert}", file("device.pem")),
        ("{key}", file("device.key")),
        ("{config}", file("device.toml")),
        ("{chip}", file("chip")),
        ("{client_id}", place.client_id.to_owned()),
        ("{topic}", format!("{}/in", place.client_id)),
    ] {
        text = text.replace(name, &value);
    }
    text
}
