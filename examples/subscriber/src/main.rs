//! Receives what is sent to the device, with the key in the SE050: subscribes to one topic and prints each message, until Ctrl-C or
//! SIGTERM. The server keeps the session for a day: messages that come while the device is away, or while this program is restarted,
//! are stored and delivered later.
//!
//! Needs a device that is registered (`se050-iot provision`) and NXP's PKCS#11 module, or any other token's.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use aws_iot_mqtt::{DisconnectReason, Event, QoS, SubscribeOptions};
use clap::Parser;
use se050_device::{Device, DeviceArgs, LogArgs, Stop};

/// How long the server keeps the session. AWS IoT Core keeps one for seven days at most.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Prints what is sent to the device, also what was sent while it was away.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The topic filter to subscribe to; without it, PREFIX/in, where PREFIX is the device's own
    #[arg(long, short)]
    topic: Option<String>,
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
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(receive(args, &device, out))
}

async fn receive(args: &Args, device: &Device, mut out: impl Write) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let topic = args.topic.clone().unwrap_or_else(|| format!("{}/in", device.topic_prefix()));
    // Given to the builder, so that what the server has stored finds its subscription.
    let subscription = SubscribeOptions::new(&topic, QoS::AtLeastOnce)?;
    let client = device.client().persistent_session(DAY).subscribe(subscription).start()?;
    let mut events = client.events();
    let Some(mut messages) = client.messages() else { anyhow::bail!("somebody else reads the messages") };
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => writeln!(out, "{} {}", message.topic, String::from_utf8_lossy(&message.payload))?,
                None => return Ok(client.closed().await?),
            },
            event = events.next() => match event {
                Some(Event::Connected { session_present }) => {
                    writeln!(out, "connected, session {}", if session_present { "kept" } else { "new" })?;
                }
                Some(event) => eprintln!("{event}"),
                None => return Ok(client.closed().await?),
            },
            _ = stop.asked() => break,
        }
    }
    Ok(client.disconnect(DisconnectReason::Normal).await?)
}
