//! Runs the jobs of AWS IoT for this device, one after another, with the key in the SE050, until Ctrl-C or SIGTERM. After a restart in the
//! middle of a job, the same job comes again, with the step that it had come to.
//!
//! Needs a device that is registered (`se050-iot provision --jobs`) and NXP's PKCS#11 module, or any other token's. The document of a
//! job is, for example, `{"steps": ["download", "install"]}`, or `{"renewCertificate": "TEMPLATE"}` for a new certificate.

mod renewal;

use std::io::Write;
use std::process::ExitCode;

use aws_iot_device::{Job, Jobs, StatusDetails};
use aws_iot_mqtt::DisconnectReason;
use clap::Parser;
use se050_device::{Device, DeviceArgs, LogArgs, Stop};

/// Runs the jobs of this device.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    log: LogArgs,
}

fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(args.log.level()).init();
    se050_device::exit(run(&args))
}

fn run(args: &Args) -> anyhow::Result<()> {
    // NXP's module prints its log to standard output; ours shall be readable.
    let out = args.log.standard_output()?;
    let device = args.device.open()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(&device, out))
}

async fn serve(device: &Device, mut out: impl Write) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let client = device.client().start()?;
    let mut jobs = Jobs::new(&client, device.thing())?;
    loop {
        let job = tokio::select! {
            job = jobs.next() => match job? {
                Some(job) => job,
                None => return Ok(client.closed().await?),
            },
            _ = stop.asked() => break,
        };
        writeln!(out, "job {} begins", job.id)?;
        match job.document.get("renewCertificate").and_then(|template| template.as_str()) {
            Some(template) => match renewal::renew(&client, device, template).await {
                Ok(()) => jobs.succeed(&job, &StatusDetails::new()).await?,
                Err(error) => {
                    let details = StatusDetails::new().with("reason", format!("{error:#}"));
                    jobs.fail(&job, &details).await?;
                }
            },
            None => work(&mut jobs, &job, &mut out).await?,
        }
    }
    Ok(client.disconnect(DisconnectReason::Normal).await?)
}

/// Does the steps of the document that are not done yet.
async fn work(jobs: &mut Jobs, job: &Job, out: &mut impl Write) -> anyhow::Result<()> {
    let Some(steps) = job.document.get("steps").and_then(|steps| steps.as_array()) else {
        let details = StatusDetails::new().with("reason", "the document has no steps");
        return Ok(jobs.reject(job, &details).await?);
    };
    let done = job.status_details.get("done").and_then(|done| done.parse().ok()).unwrap_or(0);
    for (number, step) in steps.iter().enumerate().skip(done) {
        // Where a real device would do something.
        writeln!(out, "job {}: {step}", job.id)?;
        jobs.progress(job, &StatusDetails::new().with("done", (number + 1).to_string())).await?;
    }
    jobs.succeed(job, &StatusDetails::new().with("done", steps.len().to_string())).await?;
    writeln!(out, "job {} is done", job.id)?;
    Ok(())
}
