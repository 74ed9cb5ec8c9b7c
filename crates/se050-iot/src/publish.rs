//! `se050-iot pub`: publishes messages with the chip's key, as mosquitto_pub does.

mod input;
mod outgoing;

use std::path::PathBuf;
use std::time::Duration;

use aws_iot_mqtt::bytes::Bytes;
use aws_iot_mqtt::{
    DisconnectReason, Error, OfflineQos0, OutboxOptions, PayloadFormat, Publication, QoS, Topic,
};
use clap::{ArgGroup, Args, ValueEnum};
use se050_device::{Device, DeviceArgs, Stop};
use tokio::time::{Instant, sleep_until};

use crate::connection::{Connection, name_and_value, qos, seconds};
use crate::exit::Exit;
use crate::terminal::say;
use input::{Input, Item};
use outgoing::Outgoing;

/// `podman stop` kills the program 10 s after SIGTERM; the rest is for DISCONNECT and for the chip.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(7);

const EXAMPLES: &str = "\
Examples:
  se050-iot pub --config device.toml -t gw-1/state -m '{\"door\": \"open\"}'
  sensor | se050-iot pub --config device.toml -t gw-1/readings -l
  se050-iot pub --config device.toml -t gw-1/image -f image.jpg --content-type image/jpeg -D camera=front

Exit codes: 0 all messages are delivered (QoS 1: acknowledged); 1 not, standard error says which and why; 2 wrong command line; 27 not
acknowledged within --timeout; 69 no connection to the server; 75 the chip did not answer, start this process again; 77 the server
refused the device, or its policy does not allow the topic; 130, 143 ended by SIGINT, SIGTERM before all was sent.";

/// What `se050-iot pub` is told.
#[derive(Args)]
#[command(group(ArgGroup::new("payload").required(true)), after_help = EXAMPLES)]
pub(crate) struct PubArgs {
    /// The topic to publish to
    #[arg(long, short, value_name = "TOPIC")]
    topic: Topic,
    /// The message's text
    #[arg(long, short, value_name = "TEXT", group = "payload", help_heading = "Message")]
    message: Option<String>,
    /// Publish a file's content
    #[arg(long, short, value_name = "FILE", group = "payload", help_heading = "Message")]
    file: Option<PathBuf>,
    /// Publish each line of standard input as a message; empty lines are left out
    #[arg(long, short = 'l', group = "payload", help_heading = "Message")]
    stdin_line: bool,
    /// Publish standard input as one message
    #[arg(long, short = 's', group = "payload", help_heading = "Message")]
    stdin_file: bool,
    /// Publish an empty message
    #[arg(long, short = 'n', group = "payload", help_heading = "Message")]
    null_message: bool,
    /// 0: sent once, nobody tells whether it arrived. 1: acknowledged by the server
    #[arg(long, short, value_parser = qos, default_value = "1", help_heading = "Message")]
    qos: QoS,
    /// Have the server keep the message for whoever subscribes later; the policy has to allow iot:RetainPublish
    #[arg(long, short, help_heading = "Message")]
    retain: bool,
    /// Publish the message so many times
    #[arg(long, value_name = "COUNT", default_value_t = 1, conflicts_with = "stdin_line", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Message")]
    repeat: u64,
    /// The pause between two repetitions
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds, requires = "repeat", help_heading = "Message")]
    repeat_delay: Duration,
    /// A name and a value of your own, as a user property of MQTT 5; may be given several times
    #[arg(long, short = 'D', value_name = "NAME=VALUE", value_parser = name_and_value, help_heading = "Message")]
    user_property: Vec<(String, String)>,
    /// Where an answer is expected
    #[arg(long, value_name = "TOPIC", help_heading = "Message")]
    response_topic: Option<Topic>,
    /// What the answer shall carry, so that it is known which request it belongs to
    #[arg(long, value_name = "TEXT", help_heading = "Message")]
    correlation_data: Option<String>,
    /// What the message is, e.g. application/json
    #[arg(long, value_name = "TYPE", help_heading = "Message")]
    content_type: Option<String>,
    /// Whether the message is text
    #[arg(long, value_name = "FORMAT", help_heading = "Message")]
    payload_format: Option<Format>,
    /// How long the message is worth delivering, in whole seconds
    #[arg(long, alias = "message-expiry-interval", value_name = "SECONDS", help_heading = "Message")]
    message_expiry: Option<u32>,
    /// How long the server may acknowledge nothing before the command gives up; 0: for ever
    #[arg(long, short = 'W', value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Bytes,
    Utf8,
}

/// How the sending ended.
enum End {
    AllDelivered,
    Stopped(Exit),
    ClientEnded,
}

pub(crate) fn run(args: &PubArgs, verbose: bool) -> anyhow::Result<Exit> {
    // A file that cannot be read is told before the chip is asked.
    let input = Input::of(args)?;
    let device = args.device.open()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(publish(args, &device, input, verbose))
}

async fn publish(args: &PubArgs, device: &Device, input: Input, verbose: bool) -> anyhow::Result<Exit> {
    let mut stop = Stop::new()?;
    let has_timeout = !args.timeout.is_zero();
    let drain_timeout = if has_timeout { DRAIN_TIMEOUT.min(args.timeout) } else { DRAIN_TIMEOUT };
    let outbox = OutboxOptions::new().offline_qos0(OfflineQos0::Queue);
    let builder = device.client().outbox(outbox).drain_timeout(drain_timeout);
    let mut connection = tokio::select! {
        connection = Connection::open(builder, device, verbose) => connection?,
        signal = stop.asked() => {
            say!("{signal} before there was a connection: nothing was sent");
            return Ok(Exit::Stopped(signal));
        }
    };
    let mut outgoing = Outgoing::new(connection.client.clone(), input.name());
    let mut items = input.start()?;
    let mut progress = Instant::now();
    let mut more = true;
    let end = loop {
        if !more && outgoing.is_empty() {
            break End::AllDelivered;
        }
        tokio::select! {
            biased;
            signal = stop.asked() => {
                say!("{signal}");
                break End::Stopped(Exit::Stopped(signal));
            }
            () = outgoing.oldest(), if !outgoing.is_empty() => progress = Instant::now(),
            item = items.recv(), if more && outgoing.has_room() => match item {
                Some(Item { number, payload }) => {
                    if outgoing.is_empty() {
                        progress = Instant::now();
                    }
                    outgoing.publish(number, payload.and_then(|payload| Ok(args.publication(payload)?)));
                }
                None => more = false,
            },
            event = connection.events.next() => match event {
                Some(event) => connection.show(&event),
                None => break End::ClientEnded,
            },
            () = sleep_until(progress + args.timeout), if has_timeout && !outgoing.is_empty() => {
                say!("the server has acknowledged nothing for {} s", args.timeout.as_secs_f32());
                break End::Stopped(Exit::TimedOut);
            }
        }
    };
    tokio::select! {
        // What it could not deliver, each message says itself.
        _ = connection.client.disconnect(DisconnectReason::Normal) => {}
        signal = stop.asked() => say!("{signal} once more: what is not acknowledged is not waited for"),
    }
    outgoing.finish().await;
    match end {
        End::Stopped(exit) => {
            say!("{}", outgoing.summary());
            Ok(exit)
        }
        End::ClientEnded => Err(connection.ended(device).await.context(outgoing.summary())),
        End::AllDelivered => outgoing.into_result().map(|()| Exit::Good),
    }
}

impl PubArgs {
    fn publication(&self, payload: Bytes) -> Result<Publication, Error> {
        let mut publication = Publication::new(&self.topic, self.qos, payload)?.retain(self.retain);
        for (name, value) in &self.user_property {
            publication = publication.user_property(name, value);
        }
        if let Some(topic) = &self.response_topic {
            publication = publication.response_topic(topic.clone());
        }
        if let Some(data) = &self.correlation_data {
            publication = publication.correlation_data(data.clone().into_bytes());
        }
        if let Some(content_type) = &self.content_type {
            publication = publication.content_type(content_type);
        }
        if let Some(format) = self.payload_format {
            publication = publication.payload_format(match format {
                Format::Bytes => PayloadFormat::Bytes,
                Format::Utf8 => PayloadFormat::Utf8,
            });
        }
        if let Some(seconds) = self.message_expiry {
            publication = publication.message_expiry_interval(Duration::from_secs(seconds.into()));
        }
        Ok(publication)
    }
}
