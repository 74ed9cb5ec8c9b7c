//! The command line: what the device's programs share, and what to send.

use clap::Parser;
use se050_device::{DeviceArgs, LogArgs};

/// Connects to AWS IoT Core with the key in the SE050, subscribes, publishes, receives, disconnects.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Args {
    /// The topic to publish to and to subscribe to; without it, CLIENT-ID/pubsub
    #[arg(long, short)]
    pub(crate) topic: Option<String>,
    /// The message's text
    #[arg(long, short, default_value = "Hello from the SE050!")]
    pub(crate) message: String,
    /// How many messages to send
    #[arg(long, default_value_t = 10)]
    pub(crate) count: u32,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}
