//! The AWS account that a command works on.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use anyhow::Context as _;
use aws_iot_provision::{Description, Plan, Provisioner, Step, aws_client_config};
use serde_json::{Value, json};

use crate::aws_args::AwsArgs;
use crate::terminal::say;

/// Single-threaded: the time goes into waiting for answers.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the I/O runtime")
}

/// An account, and how it is called in outputs.
pub(crate) struct Account {
    pub(crate) provisioner: Provisioner,
    pub(crate) id: String,
    pub(crate) region: String,
}

impl Account {
    /// Asks AWS which account it is; refuses another one than `--account` names.
    pub(crate) async fn connect(args: &AwsArgs) -> anyhow::Result<Self> {
        let provisioner = Provisioner::new(&aws_client_config(&args.options()).await?)?;
        let provisioner = provisioner.with_command_options(&args.words());
        if let Some(account) = &args.account {
            provisioner.require_account(account).await?;
        }
        let scope = provisioner.scope().await?;
        let (id, region) = (scope.account().to_owned(), scope.region().to_owned());
        Ok(Self { provisioner, id, region })
    }

    /// As [`Self::connect`], for many devices: how fast AWS is called.
    pub(crate) async fn connect_paced(args: &AwsArgs, rate: f64) -> anyhow::Result<Self> {
        /// With pauses that double, for about half a minute.
        const ATTEMPTS: u32 = 10;
        let account = Self::connect(args).await?;
        Ok(Self { provisioner: account.provisioner.paced(rate, ATTEMPTS), ..account })
    }

    /// The first line of each command's output.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let place = self.provisioner.place();
        let local = if place.contains("://") { format!(" ({place})") } else { String::new() };
        writeln!(out, "account {}, region {}{local}", self.id, self.region)?;
        out.flush()
    }

    /// The members that each JSON object of a command has, with its own ones.
    pub(crate) fn json(&self, mut object: Value) -> Value {
        if let Some(members) = object.as_object_mut() {
            members.insert("account".to_owned(), json!(self.id));
            members.insert("region".to_owned(), json!(self.region));
        }
        object
    }
}

/// The output of a command for many devices: lines for people, or one JSON object. That is written as the devices come, and no
/// part of it is kept.
pub(crate) struct DeviceList {
    as_json: bool,
    devices: usize,
}

impl DeviceList {
    /// Writes what comes before the devices.
    pub(crate) fn begin(account: &Account, as_json: bool, out: &mut impl Write) -> io::Result<Self> {
        if as_json {
            write!(out, "{{\"account\":\"{}\",\"region\":\"{}\",\"devices\":[", account.id, account.region)?;
        } else {
            account.print(out)?;
        }
        Ok(Self { as_json, devices: 0 })
    }

    /// Adds a device to the JSON object.
    pub(crate) fn add(&mut self, device: impl FnOnce() -> Value, out: &mut impl Write) -> io::Result<()> {
        if self.as_json {
            write!(out, "{}{}", if self.devices == 0 { "" } else { "," }, device())?;
            self.devices += 1;
        }
        out.flush()
    }

    /// Ends the JSON object with these members, or the lines with this one.
    pub(crate) fn end(self, members: &[(&str, Value)], line: &str, out: &mut impl Write) -> io::Result<()> {
        if self.as_json {
            let members: String =
                members.iter().map(|(name, value)| format!(",\"{name}\":{value}")).collect();
            writeln!(out, "]{members}}}")?;
        } else {
            writeln!(out, "{line}")?;
        }
        out.flush()
    }
}

/// The steps of a plan as the machine-readable outputs have them.
pub(crate) fn steps_json(steps: &[Step]) -> Value {
    let step = |step: &Step| {
        let Description { kind, name, outcome, note, .. } = step.describe();
        json!({"step": kind, "name": name, "outcome": outcome, "note": note})
    };
    steps.iter().map(step).collect()
}

pub(crate) fn warn_of(plan: &Plan) {
    for warning in &plan.warnings {
        say!("warning: {warning}");
    }
}

/// Asks on standard error; anything but yes is no, and so is nobody there.
pub(crate) fn agreed(question: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        eprintln!("nothing was changed; --yes does it without asking");
        return Ok(false);
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    let yes = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    if !yes {
        eprintln!("nothing was changed; --yes does it without asking");
    }
    Ok(yes)
}
