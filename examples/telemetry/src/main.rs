//! What a device application looks like: a reading every second goes to AWS IoT Core with the key in the SE050. When the
//! network goes away, readings wait in the outbox (a day of them, then the oldest make room) and follow when it is
//! back. What happens to the connection is shown as it happens; while all goes well, there is one line a minute. Ctrl-C and
//! SIGTERM (`podman stop`) end it in order: what waits is sent, the connection is closed, the chip is released. With
//! `--durable DIR`, readings wait on a disk, and what is left at the end follows at the next start.
//!
//! Needs a device that is registered, its configuration (`se050-iot provision --device-config`) or the same by flags, and NXP's
//! PKCS#11 module, or any other token's. A proxy is taken from the environment (`HTTPS_PROXY`).

mod args;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use args::Args;
use aws_iot_mqtt::{
    Client, DisconnectReason, Error, Event, Events, OutboxOptions, Publication, QoS, Receipt, Statistics,
    Topic, WhenFull,
};
use clap::Parser as _;
use se050_device::{Device, Stop};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

/// A day of readings, at one a second.
const DAY: usize = 86_400;
/// How often the program says that all is well.
const STATUS_INTERVAL: Duration = Duration::from_secs(60);
/// `podman stop` and `docker stop` kill the program 10 s after SIGTERM. The rest is for DISCONNECT and for the chip.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(7);

fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(args.log.level_or(tracing_subscriber::filter::LevelFilter::ERROR))
        .init();
    se050_device::exit(run(&args))
}

fn run(args: &Args) -> anyhow::Result<()> {
    // NXP's module prints its log to standard output; ours shall be readable.
    let out = args.log.standard_output()?;
    let device = args.device.open()?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(telemetry(args, &device, out))
}

async fn telemetry(args: &Args, device: &Device, mut out: impl Write) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let client = client(device, args)?;
    let mut events = client.events();
    let topic: Topic = format!("{}/readings", device.topic_prefix()).parse()?;
    let mut ticks = interval(args.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut status = interval_at(Instant::now() + STATUS_INTERVAL, STATUS_INTERVAL);
    let (mut number, refused) = (0, Arc::<AtomicU64>::default());
    while args.count.is_none_or(|count| number < count) {
        tokio::select! {
            _ = ticks.tick() => {
                number += 1;
                match client.try_publish(reading(&topic, number)?.retain(args.retain)) {
                    Ok(receipt) => count_refused(receipt, &refused),
                    // An event has told it. No reason to stop measuring: somebody may make room on the disk.
                    Err(Error::OutboxStore { .. }) => drop(refused.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => return Err(error).with_context(|| left_over(args, number, &client)),
                }
            }
            _ = status.tick() => writeln!(out, "{}", summary(&client.statistics()))?,
            event = events.next() => match event {
                Some(event) => show(&event, &mut out)?,
                None => {
                    let ended = client.closed().await;
                    return ended.with_context(|| left_over(args, number, &client));
                }
            },
            _ = stop.asked() => break,
        }
    }
    finish(&client, events, stop, args, &mut out).await?;
    let refused = refused.load(Ordering::Relaxed);
    anyhow::ensure!(refused == 0, "{refused} readings are lost: the disk did not take them");
    Ok(())
}

/// What the outbox has accepted will be delivered, unless the disk does not take it.
fn count_refused(receipt: Receipt, refused: &Arc<AtomicU64>) {
    let refused = Arc::clone(refused);
    tokio::spawn(async move {
        if matches!(receipt.await, Err(Error::OutboxStore { .. })) {
            refused.fetch_add(1, Ordering::Relaxed);
        }
    });
}

/// Connects in the background, for as long as it takes.
fn client(device: &Device, args: &Args) -> anyhow::Result<Client> {
    let outbox = OutboxOptions::new().messages(DAY).bytes(64 * 1024 * 1024).when_full(WhenFull::DropOldest);
    let builder = device.client().outbox(outbox).drain_timeout(DRAIN_TIMEOUT);
    let builder = match args.durable() {
        Some(durable) => builder.durable(durable),
        None => builder,
    };
    Ok(builder.start()?)
}

/// The load of this machine, as an example of something to measure.
fn reading(topic: &Topic, number: u64) -> anyhow::Result<Publication> {
    // 0 where the clock is wrong: no reason to stop measuring.
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let text = std::fs::read_to_string("/proc/loadavg").context("/proc/loadavg")?;
    let load: f64 = text.split(' ').next().unwrap_or_default().parse().context("/proc/loadavg")?;
    let json = format!(r#"{{"number": {number}, "time": {time}, "load": {load}}}"#);
    let reading = Publication::new(topic, QoS::AtLeastOnce, json)?;
    Ok(reading.content_type("application/json").user_property("source", "/proc/loadavg"))
}

fn show(event: &Event, out: &mut impl Write) -> std::io::Result<()> {
    match event {
        Event::Connected { session_present: _ } => writeln!(out, "connected"),
        Event::Disconnected { error, retry_in: Some(delay) } => {
            writeln!(out, "offline: {}; trying again in {:.1} s", error.report(), delay.as_secs_f32())
        }
        Event::ConnectFailed { error, retry_in: Some(delay) } => {
            writeln!(out, "still offline: {}; trying again in {:.1} s", error.report(), delay.as_secs_f32())
        }
        Event::MessageDropped { .. }
        | Event::PublishRefused { .. }
        | Event::OutboxFailed { .. }
        | Event::OutboxRestored => writeln!(out, "{event}"),
        _ => Ok(()),
    }
}

fn summary(statistics: &Statistics) -> String {
    format!(
        "sent {}, acknowledged {}, refused {}, waiting {}, dropped {}, reconnects {}",
        statistics.publishes - statistics.repetitions,
        statistics.acknowledged,
        statistics.refused,
        statistics.outbox_messages,
        statistics.dropped,
        statistics.reconnects
    )
}

/// What becomes of the readings that were not acknowledged when the client ended.
fn left_over(args: &Args, readings: u64, client: &Client) -> String {
    let statistics = client.statistics();
    let done = statistics.acknowledged + statistics.refused + statistics.dropped;
    match &args.durable {
        Some(directory) => {
            format!("what was not acknowledged waits in {} for the next start", directory.display())
        }
        None => format!("{} readings did not get through", readings.saturating_sub(done)),
    }
}

/// Sends what waits, and disconnects. A second signal ends the program at once.
async fn finish(
    client: &Client,
    mut events: Events,
    mut stop: Stop,
    args: &Args,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let ended = tokio::select! {
        ended = client.disconnect(DisconnectReason::Normal) => ended,
        _ = stop.asked() => {
            let waiting = client.statistics().outbox_messages;
            let fate = args.durable.as_ref().map_or("did not get through".to_owned(), |directory| {
                format!("wait in {} for the next start", directory.display())
            });
            anyhow::bail!("stopped by a second signal: {waiting} readings {fate}");
        }
    };
    let statistics = client.statistics();
    while let Some(event) = events.next().await {
        show(&event, out)?;
    }
    writeln!(out, "{}", summary(&statistics))?;
    match (ended, &args.durable) {
        (Err(Error::NotDrained { messages, .. }), Some(directory)) => {
            writeln!(out, "{messages} readings wait in {} for the next start", directory.display())?;
            Ok(())
        }
        (Err(Error::NotDrained { messages, .. }), None) => {
            anyhow::bail!("{messages} readings did not get through")
        }
        (ended, _) => Ok(ended?),
    }
}

#[cfg(test)]
mod tests;
