//! `se050-iot sub`: prints the messages of topics, with the chip's key, as mosquitto_sub does.

mod format;
mod printer;

use std::fs::File;
use std::time::Duration;

use anyhow::Context as _;
use aws_iot_mqtt::{
    Builder, DisconnectReason, Error, Event, Filter, Publication, QoS, RetainHandling, SubscribeOptions,
    Topic, Will,
};
use clap::Args;
use se050_device::{Device, DeviceArgs, Stop};
use tokio::time::{Instant, sleep_until};

use crate::connection::{Connection, qos, seconds};
use crate::exit::Exit;
use crate::terminal::{Escaping, say};
use format::Format;
use printer::{Printed, Printer};

const EXAMPLES: &str = "\
Examples:
  se050-iot sub --config device.toml -t 'gw-1/#' -v
  se050-iot sub --config device.toml -t gw-1/orders -C 1 -W 30 --pretty
  se050-iot sub --config device.toml -t gw-1/orders --json | jq .payload

Exit codes: 0 it was ended (SIGINT, SIGTERM, the reader of its output), or --count messages have come; 1 an error, standard error says
which; 2 wrong command line; 27 --timeout is over; 69 no connection to the server; 75 the chip did not answer, start this process again;
77 the server refused the device, or its policy does not allow the topic; 130, 143 ended by SIGINT, SIGTERM before --count messages had
come.";

/// What `se050-iot sub` is told.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SubArgs {
    /// The topic filter to subscribe to; may be given several times [default: PREFIX/#, the device's own topics]
    #[arg(long, short, value_name = "FILTER")]
    topic: Vec<Filter>,
    /// The highest QoS at which messages come: at 1, each is acknowledged once it is printed
    #[arg(long, short, value_parser = qos, default_value = "1")]
    qos: QoS,
    /// End after so many messages
    #[arg(long, short = 'C', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after so many seconds, with exit code 27
    #[arg(long, short = 'W', value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// Do not print what the server had retained before
    #[arg(long, short = 'R')]
    no_retained: bool,
    /// Tell with --json whether a message was published as one to be retained, also where it comes at once
    #[arg(long)]
    retain_as_published: bool,
    /// Have the server keep the session for so long after the end, with the messages that come meanwhile
    #[arg(long, short = 'x', aliases = ["session-expiry-interval"], value_name = "SECONDS")]
    session_expiry: Option<u32>,
    /// Print the topic before each message
    #[arg(long, short, help_heading = "Output")]
    verbose: bool,
    /// Print nothing after a message; by default, it is a line
    #[arg(long, short = 'N', conflicts_with = "json", help_heading = "Output")]
    no_end_of_line: bool,
    /// Print messages that are JSON with indentation
    #[arg(long, conflicts_with = "json", help_heading = "Output")]
    pretty: bool,
    /// Print each message as one JSON object in one line, with all that it carries
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Show all that happens to the connection, and the PKCS#11 module's own log
    #[arg(long, short, help_heading = "Output")]
    pub(crate) debug: bool,
    /// Where the server publishes a message when the connection ends without a DISCONNECT
    #[arg(long, value_name = "TOPIC", help_heading = "Will")]
    will_topic: Option<Topic>,
    /// That message's text
    #[arg(
        long,
        alias = "will-message",
        value_name = "TEXT",
        requires = "will_topic",
        default_value = "",
        help_heading = "Will"
    )]
    will_payload: String,
    /// Its QoS
    #[arg(long, value_name = "QOS", value_parser = qos, requires = "will_topic", default_value = "1", help_heading = "Will")]
    will_qos: QoS,
    /// Have the server keep it for whoever subscribes later
    #[arg(long, requires = "will_topic", help_heading = "Will")]
    will_retain: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(crate) fn run(args: &SubArgs, out: &Escaping<File>) -> anyhow::Result<Exit> {
    let printer = Printer::start(out.0.try_clone().context("cannot use standard output")?)?;
    let device = args.device.open()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(subscribe(args, &device, printer))
}

async fn subscribe(args: &SubArgs, device: &Device, mut printer: Printer) -> anyhow::Result<Exit> {
    let mut stop = Stop::new()?;
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let timed_out = async || match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    };
    let mut connection = tokio::select! {
        connection = Connection::open(args.builder(device)?, device, args.debug) => connection?,
        signal = stop.asked() => return Ok(args.stopped(Exit::Stopped(signal))),
        () = timed_out() => {
            say!("--timeout is over, before there was a connection");
            return Ok(Exit::TimedOut);
        }
    };
    let mut messages = connection.client.messages().context("somebody else reads the messages")?;
    let (format, mut printed) = (args.format(), 0);
    let ended = loop {
        tokio::select! {
            biased;
            signal = stop.asked() => break Ok(args.stopped(Exit::Stopped(signal))),
            () = timed_out() => {
                say!("--timeout is over, {printed} messages came");
                break Ok(Exit::TimedOut);
            }
            event = connection.events.next() => match event {
                Some(Event::SubscriptionLost { error, .. }) => break Err(error.into()),
                Some(event) => connection.show(&event),
                None => break Err(connection.ended(device).await),
            },
            message = messages.next(), if printer.is_idle() => match message {
                Some(message) if args.no_retained && message.retain && !args.retain_as_published => message.acknowledge(),
                Some(message) => printer.print(format.of(&message), message),
                None => break Err(connection.ended(device).await),
            },
            result = printer.next() => match result {
                // Only now it is the reader's.
                Ok(Printed::Message(message)) => {
                    message.acknowledge();
                    printed += 1;
                    if args.count == Some(printed) {
                        break Ok(Exit::Good);
                    }
                }
                Ok(Printed::ReaderGone) => break Ok(Exit::Good),
                Err(error) => break Err(error),
            },
        }
    };
    let disconnected = tokio::select! {
        result = connection.client.disconnect(DisconnectReason::Normal) => result,
        _ = stop.asked() => Ok(()),
    };
    match (ended, disconnected) {
        (Ok(Exit::Good), Err(error)) if !matches!(error, Error::NotDrained { .. }) => Err(error.into()),
        (ended, _) => ended,
    }
}

impl SubArgs {
    fn builder(&self, device: &Device) -> anyhow::Result<Builder> {
        let mut builder = device.client();
        let filters = match self.topic.as_slice() {
            [] => vec![format!("{}/#", device.topic_prefix()).parse()?],
            filters => filters.to_vec(),
        };
        for filter in filters {
            let mut options = SubscribeOptions::new(filter, self.qos)?.manual_acknowledgement();
            if self.no_retained {
                options = options.retain_handling(RetainHandling::DoNotSend);
            }
            if self.retain_as_published {
                options = options.retain_as_published();
            }
            builder = builder.subscribe(options);
        }
        if let Some(seconds) = self.session_expiry {
            builder = builder.persistent_session(Duration::from_secs(seconds.into()));
        }
        if let Some(topic) = &self.will_topic {
            let message =
                Publication::new(topic, self.will_qos, &self.will_payload)?.retain(self.will_retain);
            builder = builder.will(Will::new(message));
        }
        Ok(builder)
    }

    fn format(&self) -> Format {
        Format {
            json: self.json,
            pretty: self.pretty,
            with_topic: self.verbose,
            end_of_line: !self.no_end_of_line,
        }
    }

    /// Without a count, a signal is the ordinary end.
    fn stopped(&self, exit: Exit) -> Exit {
        if self.count.is_some() { exit } else { Exit::Good }
    }
}
