//! From the chip to the cloud on one screen: opens the key in the SE050, connects to AWS IoT Core with it (mutual TLS, every
//! signature made in the chip), subscribes to a topic, publishes to it at QoS 1, receives what it published, disconnects.
//!
//! Needs a device that is registered (`se050-iot provision`) and NXP's PKCS#11 module, or any other token's.

mod args;

use std::collections::HashSet;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use args::Args;
use aws_iot_mqtt::{Client, DisconnectReason, QoS};
use clap::Parser as _;
use se050_device::{Device, Stop};

/// How long the own messages may take to come back.
const RETURN: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(args.log.level()).init();
    se050_device::exit(run(&args))
}

fn run(args: &Args) -> anyhow::Result<()> {
    // NXP's module prints its log to standard output; ours shall be readable.
    let out = args.log.standard_output()?;
    let device = args.device.open()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut stop = Stop::new()?;
        let client = tokio::select! {
            connected = device.client().connect() => connected.map_err(|error| device.explained(error))?,
            signal = stop.asked() => anyhow::bail!("{signal} before there was a connection"),
        };
        let result = tokio::select! {
            result = pubsub(args, &device, &client, out) => result,
            signal = stop.asked() => Err(anyhow::anyhow!("{signal} before all messages were back")),
        };
        // The server is told also where something went wrong, and the chip is released.
        let disconnected = client.disconnect(DisconnectReason::Normal).await;
        result.and(disconnected.map_err(Into::into))
    })
}

async fn pubsub(args: &Args, device: &Device, client: &Client, mut out: impl Write) -> anyhow::Result<()> {
    let topic = args.topic.clone().unwrap_or_else(|| format!("{}/pubsub", device.topic_prefix()));
    writeln!(out, "connected to {} port {} as {}", device.endpoint(), device.port(), device.client_id())?;
    let mut messages = client.subscribe(&topic, QoS::AtLeastOnce).await?;
    writeln!(out, "subscribed to {topic}")?;
    // QoS 1 delivers at least once, and others may publish to the topic too: only what is ours counts, and once.
    let mut awaited = HashSet::new();
    for number in 1..=args.count {
        let text = format!("{} [{number}]", args.message);
        client.publish(&topic, QoS::AtLeastOnce, text.clone()).await?;
        writeln!(out, "published {text:?}: acknowledged")?;
        awaited.insert(text.into_bytes());
    }
    while !awaited.is_empty() {
        let message = tokio::time::timeout(RETURN, messages.next()).await.with_context(|| {
            let seconds = RETURN.as_secs();
            format!("a message did not come back within {seconds} s: does the policy allow iot:Receive on {topic}?")
        })?;
        let message = message.context("the connection ended before all messages were back")?;
        if awaited.remove(message.payload.as_ref()) {
            writeln!(out, "received {:?}", String::from_utf8_lossy(&message.payload))?;
        }
    }
    writeln!(out, "sent {0}, received {0}", args.count)?;
    Ok(())
}
