//! `se050-iot jobs`: runs the jobs of the thing, one after another.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use aws_iot_device::{Error, Job, Jobs, StatusDetails};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::duration::duration;
use crate::exit::Exit;
use crate::handler::{AFTER_HELP, End, Handler};
use crate::service::{Service, ServiceArgs};
use crate::terminal::{Escaping, say, sentence};

/// Most pairs of status details (UpdateJobExecution), less the one for the reason.
const VALUES: usize = 9;
/// The pause before the end of a job is reported once more, where AWS IoT throttles or fails.
const RETRY: Duration = Duration::from_secs(10);
/// The longest value of a status detail, in characters (UpdateJobExecution).
const VALUE_CHARACTERS: usize = 1024;

#[derive(Subcommand)]
pub(crate) enum JobsCommand {
    /// Runs a program for each job, and reports how it went; until Ctrl-C or SIGTERM. A job that was under way comes again.
    #[command(after_help = AFTER_HELP)]
    Run(RunArgs),
    /// Prints the jobs that are not ended, as JSON.
    List(ServiceArgs),
}

#[derive(Args)]
pub(crate) struct RunArgs {
    /// The program that does the job. In its environment: AWS_IOT_THING_NAME, AWS_IOT_JOB_ID, and AWS_IOT_JOB_STATUS_DETAILS, a JSON
    /// object with what was reported before, also by a run that was interrupted
    #[arg(long, value_name = "PROGRAM")]
    handler: PathBuf,
    /// How long the handler may take, such as 30m or 2h [default: as long as it wants]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    handler_timeout: Option<Duration>,
    #[command(flatten)]
    service: ServiceArgs,
}

pub(crate) fn run(command: &JobsCommand, verbose: bool, out: &mut Escaping<File>) -> anyhow::Result<Exit> {
    match command {
        JobsCommand::Run(args) => {
            let handler = Handler::new(&args.handler, args.handler_timeout)?;
            args.service.run(verbose, |builder, _| Ok(builder), async |service| serve(service, &handler).await)
        }
        JobsCommand::List(args) => args.run(
            verbose,
            |builder, _| Ok(builder),
            async |service| {
                let mut jobs = Jobs::new(&service.client, &service.thing)?;
                let pending = jobs.pending().await?;
                let ids = |jobs: &[aws_iot_device::JobSummary]| -> Value { jobs.iter().map(|job| job.id.as_str()).collect() };
                let list = json!({ "inProgress": ids(&pending.in_progress_jobs), "queued": ids(&pending.queued_jobs) });
                writeln!(out, "{list}").context("cannot write to standard output")?;
                Ok(Exit::Good)
            },
        ),
    }
}

async fn serve(service: &mut Service, handler: &Handler) -> anyhow::Result<Exit> {
    let mut jobs = Jobs::new(&service.client, &service.thing)?;
    say!("waiting for jobs of '{}'", service.thing);
    loop {
        let job = match service.or_stop(async { Ok(jobs.next().await?) }).await? {
            Ok(Some(job)) => job,
            // The caller finds out why the client has ended.
            Ok(None) => return Ok(Exit::Good),
            Err(exit) => return Ok(exit),
        };
        say!("job '{}' begins", job.id);
        if let Some(exit) = work(service, &mut jobs, &job, handler).await? {
            say!("job '{}' was not ended: it comes again", job.id);
            return Ok(exit);
        }
    }
}

/// Runs the handler, and reports; `Some` when a signal has ended it.
async fn work(
    service: &mut Service,
    jobs: &mut Jobs,
    job: &Job,
    handler: &Handler,
) -> anyhow::Result<Option<Exit>> {
    let (values, mut reported) = mpsc::channel(VALUES);
    let environment = vec![
        ("AWS_IOT_THING_NAME", service.thing.clone()),
        ("AWS_IOT_JOB_ID", job.id.clone()),
        ("AWS_IOT_JOB_STATUS_DETAILS", json!(job.status_details).to_string()),
    ];
    // A task of its own, so that its output is read while a report waits for its answer.
    let document = job.document.to_string().into_bytes();
    let mut running = tokio::spawn(handler.clone().run(document, environment, values));
    let mut details = Vec::new();
    for (name, value) in &job.status_details {
        put(&mut details, (name.clone(), value.clone()));
    }
    let end = loop {
        let ended = service.or_stop(async {
            Ok(tokio::select! {
                // What it has said before its end counts.
                biased;
                Some(value) = reported.recv() => Err(value),
                end = &mut running => Ok(end.context("the handler's task has died")?),
            })
        });
        match ended.await? {
            Ok(Ok(end)) => break end,
            Ok(Err(value)) => {
                put(&mut details, value);
                let progress = async { Ok(jobs.progress(job, &status_details(&details, None)).await) };
                match service.or_stop(progress).await? {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) if error.is_transient() => {
                        say!("{}; the handler goes on", sentence(&error));
                    }
                    Ok(Err(error @ Error::JobRejected { .. })) => {
                        say!("{}: the handler is ended", sentence(&error));
                        running.abort();
                        return Ok(None);
                    }
                    Ok(Err(error @ Error::Invalid { .. })) => {
                        details.pop();
                        say!("{}: it is not reported", sentence(&error));
                    }
                    Ok(Err(error)) => return Err(error.into()),
                    Err(exit) => {
                        running.abort();
                        return Ok(Some(exit));
                    }
                }
            }
            Err(exit) => {
                running.abort();
                return Ok(Some(exit));
            }
        }
    };
    let mut pause = Duration::ZERO;
    loop {
        let outcome = async {
            tokio::time::sleep(pause).await;
            Ok(match &end {
                End::Done => jobs.succeed(job, &status_details(&details, None)).await,
                End::Rejected(reason) => jobs.reject(job, &status_details(&details, Some(reason))).await,
                End::Failed(_, reason) => jobs.fail(job, &status_details(&details, Some(reason))).await,
            })
        };
        match service.or_stop(outcome).await? {
            Ok(Ok(())) => break,
            Ok(Err(error)) if error.is_transient() => {
                say!("{}; once more in {} s", sentence(&error), RETRY.as_secs());
                pause = RETRY;
            }
            // Cancelled, or timed out: nothing is left to report.
            Ok(Err(error @ Error::JobRejected { .. })) => {
                say!("{}", sentence(&error));
                return Ok(None);
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(exit) => return Ok(Some(exit)),
        }
    }
    match &end {
        End::Done => say!("job '{}' is done", job.id),
        End::Rejected(reason) | End::Failed(_, reason) => say!("job '{}' is not done: {reason}", job.id),
    }
    Ok(None)
}

/// Adds a status detail. The newest value of a name counts, and the newest names.
fn put(details: &mut Vec<(String, String)>, (name, value): (String, String)) {
    details.retain(|(known, _)| *known != name);
    details.push((name, value));
    if details.len() > VALUES {
        details.remove(0);
    }
}

fn status_details(details: &[(String, String)], reason: Option<&String>) -> StatusDetails {
    let details = details
        .iter()
        .fold(StatusDetails::new(), |details, (name, value)| details.with(name.as_str(), value.as_str()));
    match reason {
        Some(reason) => {
            let reason = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
            details.with("reason", reason.take(VALUE_CHARACTERS).collect::<String>())
        }
        None => details,
    }
}
