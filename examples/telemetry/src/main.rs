//! What a device application looks like: a reading every second goes to AWS IoT Core with the key in the SE050. When the
//! network goes away, readings wait in the outbox (a day of them, then the oldest make room) and follow when it is
//! back. What happens is shown as it happens. Ctrl-C ends it in the ordinary way.
//!
//! Needs a device that is registered (`se050-iot provision`) and NXP's PKCS#11 module, or any other token's. A proxy is
//! taken from the environment (`HTTPS_PROXY`).

mod args;

use std::io::Write;
use std::time::SystemTime;

use anyhow::Context as _;
use args::Args;
use aws_iot_mqtt::{Client, Error, Event, Events, Outbox, Publication, QoS, Topic, WhenFull};
use clap::Parser as _;
use rustls_se050::{ClientIdentity, client_config, roots_from_pem_file};
use se050_key::Token;
use tokio::time::{MissedTickBehavior, interval};

/// A day of readings, at one a second.
const DAY: usize = 86_400;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // NXP's module prints its log to standard output; ours shall be readable.
    let out = se050_key::stdout::set_aside()?;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::ERROR)
        .init();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(telemetry(&args, out))
}

async fn telemetry(args: &Args, mut out: impl Write) -> anyhow::Result<()> {
    let client = client(args)?;
    let mut events = client.events();
    let topic: Topic = format!("{}/readings", args.client_id).parse()?;
    let mut ticks = interval(args.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut number = 0;
    while args.count.is_none_or(|count| number < count) {
        tokio::select! {
            _ = ticks.tick() => {
                number += 1;
                // The receipt is for whoever wants to know: what the outbox has accepted will be delivered.
                drop(client.try_submit(reading(&topic, number)?)?);
                let waiting = client.statistics().outbox_messages;
                writeln!(out, "reading {number}, {waiting} waiting")?;
            }
            event = events.next() => match event {
                Some(event) => show(&event, &mut out)?,
                None => return Ok(client.closed().await?),
            },
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                break;
            }
        }
    }
    finish(&client, events, &mut out).await
}

/// Connects in the background, for as long as it takes.
fn client(args: &Args) -> anyhow::Result<Client> {
    let token = Token::open(&args.pkcs11_lib)?;
    let (key, certificate) = token.identity(&args.key_label)?;
    let identity = ClientIdentity::new(key, &certificate)?;
    let roots = match &args.ca_file {
        Some(path) => roots_from_pem_file(path)?,
        None => aws_iot_mqtt::roots::amazon(),
    };
    let outbox = Outbox::new().messages(DAY).bytes(64 * 1024 * 1024).when_full(WhenFull::DropOldest);
    let builder = Client::builder(&args.endpoint, &args.client_id, client_config(&identity, roots)?);
    Ok(builder.port(args.port).proxy_from_environment().outbox(outbox).start()?)
}

/// The load of this machine, as an example of something to measure.
fn reading(topic: &Topic, number: u64) -> anyhow::Result<Publication> {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let text = std::fs::read_to_string("/proc/loadavg").context("/proc/loadavg")?;
    let load: f64 = text.split(' ').next().unwrap_or_default().parse().context("/proc/loadavg")?;
    let json = format!(r#"{{"number": {number}, "time": {time}, "load": {load}}}"#);
    Ok(Publication::new(topic, QoS::AtLeastOnce, json)?.content_type("application/json"))
}

fn show(event: &Event, out: &mut impl Write) -> std::io::Result<()> {
    match event {
        Event::Connected { session_present: _ } => writeln!(out, "connected"),
        Event::Disconnected { error, retry_in: Some(delay) } => {
            writeln!(out, "offline: {error}; trying again in {:.1} s", delay.as_secs_f32())
        }
        Event::ConnectFailed { error, retry_in: Some(delay) } => {
            writeln!(out, "still offline: {error}; trying again in {:.1} s", delay.as_secs_f32())
        }
        Event::MessageDropped { error, .. } => writeln!(out, "{error}"),
        _ => Ok(()),
    }
}

async fn finish(client: &Client, mut events: Events, out: &mut impl Write) -> anyhow::Result<()> {
    let ended = client.disconnect().await;
    while let Some(event) = events.next().await {
        show(&event, out)?;
    }
    let statistics = client.statistics();
    writeln!(
        out,
        "sent {}, acknowledged {}, dropped {}, reconnects {}",
        statistics.publishes - statistics.repetitions,
        statistics.acknowledged,
        statistics.dropped,
        statistics.reconnects
    )?;
    match ended {
        Err(Error::NotDrained { messages, .. }) => anyhow::bail!("{messages} readings did not get through"),
        ended => Ok(ended?),
    }
}
