//! The command line: what the device's programs share, and what to send.

use clap::{Parser, ValueEnum};
use se050_device::DeviceArgs;
use tracing_subscriber::filter::LevelFilter;

/// Connects to AWS IoT Core with the key in the SE050, subscribes, publishes, receives, disconnects.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// The topic to publish to and to subscribe to; without it, CLIENT-ID/pubsub
    #[arg(long)]
    pub(crate) topic: Option<String>,
    /// The message's text
    #[arg(long, default_value = "Hello from the SE050!")]
    pub(crate) message: String,
    /// How many messages to send
    #[arg(long, default_value_t = 10)]
    pub(crate) count: u32,
    /// How much to log, to standard error
    #[arg(long, value_enum, ignore_case = true, default_value_t = Verbosity::Warn)]
    pub(crate) verbosity: Verbosity,
}

/// The log levels by the names of AWS's sample.
#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum Verbosity {
    NoLogs,
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Verbosity {
    pub(crate) fn level(self) -> LevelFilter {
        match self {
            Self::NoLogs => LevelFilter::OFF,
            Self::Fatal | Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}
