//! `se050-iot shadow`: the desired and the reported state of the thing, which AWS IoT keeps.

use std::fs::File;
use std::io::{Read as _, Write as _};

use anyhow::{Context as _, bail};
use aws_iot_device::{Shadow, ShadowUpdate};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::service::{Service, ServiceArgs};
use crate::terminal::Escaping;

#[derive(Subcommand)]
pub(crate) enum ShadowCommand {
    /// Prints the shadow, as JSON.
    Get(ShadowArgs),
    /// Changes the shadow, and prints its new version.
    Update(UpdateArgs),
    /// Removes the shadow.
    Delete(ShadowArgs),
    /// Prints what is desired and not reported, one JSON object in a line, each time that it changes; until Ctrl-C or SIGTERM.
    Watch(ShadowArgs),
}

#[derive(Args)]
pub(crate) struct ShadowArgs {
    /// The name of a named shadow; without it, the classic one
    #[arg(long, value_name = "SHADOW")]
    name: Option<String>,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args)]
#[command(group(ArgGroup::new("state").required(true).multiple(true)))]
pub(crate) struct UpdateArgs {
    /// How the device is: a JSON object with the members that change; `-` reads it from standard input
    #[arg(long, value_name = "JSON", group = "state")]
    reported: Option<String>,
    /// How the device should be, in the same form
    #[arg(long, value_name = "JSON", group = "state")]
    desired: Option<String>,
    /// Only if the shadow has this version
    #[arg(long, value_name = "NUMBER")]
    version: Option<u64>,
    #[command(flatten)]
    shadow: ShadowArgs,
}

pub(crate) fn run(command: &ShadowCommand, verbose: bool, out: &mut Escaping<File>) -> anyhow::Result<Exit> {
    match command {
        ShadowCommand::Get(args) => args.run(verbose, async |service, mut shadow| {
            let Ok(document) = service.or_stop(async { Ok(shadow.get::<Value>().await?) }).await? else {
                bail!("interrupted")
            };
            let state = json!({
                "desired": document.state.desired, "reported": document.state.reported, "delta": document.state.delta,
            });
            let document = json!({ "state": state, "metadata": document.metadata, "version": document.version });
            print(out, &document)
        }),
        ShadowCommand::Update(args) => {
            let update = args.update()?;
            args.shadow.run(verbose, async |service, mut shadow| {
                let Ok(version) = service.or_stop(async { Ok(shadow.update(&update).await?) }).await? else {
                    bail!("interrupted: whether the shadow was changed is not known")
                };
                print(out, &json!({ "version": version }))
            })
        }
        ShadowCommand::Delete(args) => args.run(verbose, async |service, mut shadow| {
            match service.or_stop(async { Ok(shadow.delete().await?) }).await? {
                Ok(()) => Ok(Exit::Good),
                Err(_) => bail!("interrupted: whether the shadow was removed is not known"),
            }
        }),
        ShadowCommand::Watch(args) => args.run(verbose, async |service, shadow| {
            let mut sync = shadow.sync();
            loop {
                match service.or_stop(async { Ok(sync.next::<Value>().await?) }).await? {
                    Ok(Some(delta)) => drop(print(out, &delta)?),
                    // The caller finds out why the client has ended.
                    Ok(None) => return Ok(Exit::Good),
                    Err(exit) => return Ok(exit),
                }
            }
        }),
    }
}

impl ShadowArgs {
    fn run(
        &self,
        verbose: bool,
        work: impl AsyncFnOnce(&mut Service, Shadow) -> anyhow::Result<Exit>,
    ) -> anyhow::Result<Exit> {
        self.service.run(
            verbose,
            |builder, _| Ok(builder),
            async |service| {
                let shadow = match &self.name {
                    Some(name) => Shadow::named(&service.client, &service.thing, name)?,
                    None => Shadow::classic(&service.client, &service.thing)?,
                };
                work(service, shadow).await
            },
        )
    }
}

impl UpdateArgs {
    /// Before the chip is asked.
    fn update(&self) -> anyhow::Result<ShadowUpdate> {
        let mut update = ShadowUpdate::new();
        if self.reported.as_deref() == Some("-") && self.desired.as_deref() == Some("-") {
            bail!("--reported and --desired cannot both be read from standard input");
        }
        if let Some(reported) = &self.reported {
            update = update.reported(&state("--reported", reported)?)?;
        }
        if let Some(desired) = &self.desired {
            update = update.desired(&state("--desired", desired)?)?;
        }
        Ok(match self.version {
            Some(version) => update.version(version),
            None => update,
        })
    }
}

fn state(option: &str, text: &str) -> anyhow::Result<Value> {
    let mut read = String::new();
    let text = match text {
        "-" => {
            std::io::stdin().read_to_string(&mut read).with_context(|| format!("cannot read {option}"))?;
            &read
        }
        text => text,
    };
    let state: Value = serde_json::from_str(text).with_context(|| format!("{option} is no JSON"))?;
    if !state.is_object() && !state.is_null() {
        bail!("{option} is no JSON object: write {{\"NAME\": VALUE}}, or null to remove all");
    }
    Ok(state)
}

fn print(out: &mut Escaping<File>, value: &Value) -> anyhow::Result<Exit> {
    writeln!(out, "{value}").context("cannot write to standard output")?;
    Ok(Exit::Good)
}
