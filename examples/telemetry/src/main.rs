//! What a device application looks like: a reading every second goes to AWS IoT Core with the key in the SE050. When the
//! network goes away, readings wait in the outbox (a day of them, then the oldest make room) and follow when it is
//! back. What happens to the connection is shown as it happens; while all goes well, there is one line a minute. Ctrl-C and
//! SIGTERM (`podman stop`) end it in order: what waits is sent, the connection is closed, the chip is released.
//!
//! Needs a device that is registered, its configuration (`se050-iot provision --device-config`), and NXP's PKCS#11 module, or
//! any other token's. A proxy is taken from the environment (`HTTPS_PROXY`).

mod args;
mod chip;
mod stop;

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use args::Args;
use aws_iot_mqtt::{
    Client, DisconnectReason, Error, Event, Events, OutboxOptions, Publication, QoS, Statistics, Topic,
    WhenFull,
};
use clap::Parser as _;
use device_identity::DeviceConfig;
use rustls_se050::{ClientIdentity, client_config, exit_status, roots_from_pem_file};
use se050_key::{NXP_MODULE, Selector, Token};
use stop::Stop;
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
        .with_max_level(tracing_subscriber::filter::LevelFilter::ERROR)
        .init();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:?}");
            // 75 when only a new process can open the chip again: for the supervisor.
            ExitCode::from(exit_status(error.as_ref()))
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    // NXP's module prints its log to standard output; ours shall be readable.
    let out = se050_key::stdout::set_aside()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(telemetry(args, out))
}

async fn telemetry(args: &Args, mut out: impl Write) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let config = DeviceConfig::from_file(&args.config)
        .with_context(|| format!("--config {}", args.config.display()))?;
    let client = client(&config)?;
    let mut events = client.events();
    let topic: Topic = format!("{}/readings", config.topic_prefix).parse()?;
    let mut ticks = interval(args.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut status = interval_at(Instant::now() + STATUS_INTERVAL, STATUS_INTERVAL);
    let mut number = 0;
    while args.count.is_none_or(|count| number < count) {
        tokio::select! {
            _ = ticks.tick() => {
                number += 1;
                // The receipt is for whoever wants to know: what the outbox has accepted will be delivered.
                drop(client.try_publish(reading(&topic, number)?)?);
            }
            _ = status.tick() => writeln!(out, "{}", summary(&client.statistics()))?,
            event = events.next() => match event {
                Some(event) => show(&event, &mut out)?,
                None => return Ok(client.closed().await?),
            },
            () = stop.asked() => break,
        }
    }
    finish(&client, events, stop, &mut out).await
}

/// Connects in the background, for as long as it takes.
fn client(config: &DeviceConfig) -> anyhow::Result<Client> {
    let token = Token::open(config.key.pkcs11_lib.as_deref().unwrap_or(NXP_MODULE))?;
    let key: Selector = config.key.label.parse()?;
    let certificate = match &config.key.certificate {
        Some(label) => token.certificate(&label.parse()?)?,
        None => token.certificate_of_key(&key)?,
    };
    let identity = ClientIdentity::new(token.key_of(&key, &certificate)?, &certificate)?;
    let roots = match &config.ca_file {
        Some(path) => roots_from_pem_file(path)?,
        None => aws_iot_mqtt::roots::amazon(),
    };
    let outbox = OutboxOptions::new().messages(DAY).bytes(64 * 1024 * 1024).when_full(WhenFull::DropOldest);
    let builder = Client::builder(&config.endpoint, &config.client_id, client_config(&identity, roots)?);
    let builder =
        builder.port(config.port).proxy_from_environment().outbox(outbox).drain_timeout(DRAIN_TIMEOUT);
    Ok(builder.classify_signer_errors(chip::verdict).start()?)
}

/// The load of this machine, as an example of something to measure.
fn reading(topic: &Topic, number: u64) -> anyhow::Result<Publication> {
    // 0 where the clock is wrong: no reason to stop measuring.
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let text = std::fs::read_to_string("/proc/loadavg").context("/proc/loadavg")?;
    let load: f64 = text.split(' ').next().unwrap_or_default().parse().context("/proc/loadavg")?;
    let json = format!(r#"{{"number": {number}, "time": {time}, "load": {load}}}"#);
    Ok(Publication::new(topic, QoS::AtLeastOnce, json)?.content_type("application/json"))
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
        Event::MessageDropped { error, .. } => writeln!(out, "{error}"),
        _ => Ok(()),
    }
}

fn summary(statistics: &Statistics) -> String {
    format!(
        "sent {}, acknowledged {}, waiting {}, dropped {}, reconnects {}",
        statistics.publishes - statistics.repetitions,
        statistics.acknowledged,
        statistics.outbox_messages,
        statistics.dropped,
        statistics.reconnects
    )
}

/// Sends what waits, and disconnects. A second signal ends the program at once.
async fn finish(
    client: &Client,
    mut events: Events,
    mut stop: Stop,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let ended = tokio::select! {
        ended = client.disconnect(DisconnectReason::Normal) => ended,
        () = stop.asked() => {
            let waiting = client.statistics().outbox_messages;
            anyhow::bail!("stopped by a second signal: {waiting} readings did not get through");
        }
    };
    while let Some(event) = events.next().await {
        show(&event, out)?;
    }
    writeln!(out, "{}", summary(&client.statistics()))?;
    match ended {
        Err(Error::NotDrained { messages, .. }) => anyhow::bail!("{messages} readings did not get through"),
        ended => Ok(ended?),
    }
}

#[cfg(test)]
mod tests;
