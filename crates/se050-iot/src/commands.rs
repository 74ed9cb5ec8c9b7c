//! `se050-iot commands`: runs what operators send to the thing, each once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use aws_iot_device::{Command, CommandResult, Commands};
use aws_iot_mqtt::{Builder, Event};
use clap::{Args, Subcommand};
use tokio::sync::mpsc;

use crate::duration::duration;
use crate::exit::Exit;
use crate::handler::{AFTER_HELP, End, Handler};
use crate::service::{Service, ServiceArgs};
use crate::terminal::{say, sentence};

/// How long AWS IoT keeps commands for a device that is away, unless said otherwise. It keeps a session for 7 days at most.
const SESSION: &str = "24h";
/// How many values a handler may report.
const VALUES: usize = 32;

#[derive(Subcommand)]
pub(crate) enum CommandsCommand {
    /// Runs a program for each command, once, and reports how it went; until Ctrl-C or SIGTERM. AWS IoT keeps commands while the
    /// device is away.
    #[command(after_help = AFTER_HELP)]
    Run(RunArgs),
}

#[derive(Args)]
pub(crate) struct RunArgs {
    /// The program that runs the command. In its environment: AWS_IOT_THING_NAME, AWS_IOT_COMMAND_EXECUTION_ID, and
    /// AWS_IOT_COMMAND_CONTENT_TYPE
    #[arg(long, value_name = "PROGRAM")]
    handler: PathBuf,
    /// How long the handler may take, such as 30s or 10m [default: the command's own time-out]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    handler_timeout: Option<Duration>,
    /// The file that says which commands have begun, so that none runs twice; on a disk that survives a restart [default:
    /// commands.journal beside --config]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// How long AWS IoT keeps commands while the device is away, at most 7d
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = SESSION)]
    session_expiry: Duration,
    #[command(flatten)]
    service: ServiceArgs,
}

pub(crate) fn run(command: &CommandsCommand, verbose: bool) -> anyhow::Result<Exit> {
    let CommandsCommand::Run(args) = command;
    let handler = Handler::new(&args.handler, args.handler_timeout)?;
    let beside =
        args.service.device.config.as_deref().map(|config| config.with_file_name("commands.journal"));
    let journal = args.journal.clone().or(beside);
    let journal = journal.context(
        "where the list of begun commands is kept is missing: --journal <FILE>, or --config <FILE>",
    )?;
    let prepare = |builder: Builder, thing: &str| {
        let builder = builder.persistent_session(args.session_expiry);
        Ok(Commands::subscriptions(thing)?.into_iter().fold(builder, Builder::subscribe))
    };
    args.service.run(verbose, prepare, async |service| serve(service, &handler, &journal).await)
}

async fn serve(service: &mut Service, handler: &Handler, journal: &Path) -> anyhow::Result<Exit> {
    let mut messages = service.client.messages().context("somebody else reads the messages")?;
    let mut commands = Commands::open(&service.client, &service.thing, journal)?;
    let mut events = service.client.events();
    let mut unreported = true;
    say!("waiting for commands to '{}'", service.thing);
    loop {
        if unreported {
            match service.or_stop(async { Ok(commands.report_unfinished().await) }).await? {
                Ok(Ok(())) => unreported = false,
                Ok(Err(error)) if error.is_transient() => {
                    say!("{}; once more after the next connection", sentence(&error))
                }
                // AWS IoT no longer wants to know; the next ones may be told.
                Ok(Err(error @ aws_iot_device::Error::CommandRejected { .. })) => {
                    say!("{}", sentence(&error));
                    continue;
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(exit) => return Ok(exit),
            }
        }
        let waited = service.or_stop(async {
            Ok(loop {
                tokio::select! {
                    message = messages.next() => break message,
                    event = events.next() => if matches!(event, Some(Event::Resumed)) && unreported {
                        break None;
                    },
                }
            })
        });
        let message = match waited.await? {
            Ok(Some(message)) => message,
            Ok(None) if unreported => continue,
            // The caller finds out why the client has ended.
            Ok(None) => return Ok(Exit::Good),
            Err(exit) => return Ok(exit),
        };
        let thing = service.thing.clone();
        let handled = commands.handle(&message, |command| execute(handler.clone(), thing, command));
        match service.or_stop(async { Ok(handled.await) }).await? {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                say!("{}", sentence(&error));
                unreported = true;
                if !error.is_transient() && !matches!(error, aws_iot_device::Error::CommandRejected { .. }) {
                    return Err(error.into());
                }
            }
            Err(exit) => {
                // What is under way is not silently forgotten; where this fails, or a second signal ends it, the next start does it.
                if let Ok(Err(error)) =
                    service.or_stop(async { Ok(commands.report_unfinished().await) }).await?
                {
                    say!("{}", sentence(&error));
                }
                return Ok(exit);
            }
        }
    }
}

async fn execute(handler: Handler, thing: String, command: Command) -> CommandResult {
    say!("command execution '{}' begins", command.execution);
    let environment = vec![
        ("AWS_IOT_THING_NAME", thing),
        ("AWS_IOT_COMMAND_EXECUTION_ID", command.execution.clone()),
        ("AWS_IOT_COMMAND_CONTENT_TYPE", command.content_type.clone().unwrap_or_default()),
    ];
    let (values, mut reported) = mpsc::channel(VALUES);
    let handler = handler.with_timeout(command.timeout);
    let collect = async {
        let mut all: Vec<(String, String)> = Vec::new();
        while let Some((name, value)) = reported.recv().await {
            if all.len() < VALUES {
                all.push((name, value));
            }
        }
        all
    };
    let (end, values) = tokio::join!(handler.run(command.payload.to_vec(), environment, values), collect);
    let result = match end {
        End::Done => CommandResult::succeeded(),
        End::Rejected(reason) => CommandResult::rejected("HANDLER_REJECTED", &reason),
        End::Failed(code, reason) => CommandResult::failed(code, &reason),
    };
    say!("command execution '{}' has ended", command.execution);
    values.into_iter().fold(result, |result, (name, value)| result.value(&name, &value))
}
