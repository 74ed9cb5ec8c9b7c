//! The command line.

use std::time::Duration;

use clap::Parser;
use se050_device::{DeviceArgs, LogArgs};

/// Publishes a reading every second, with the key in the SE050, and shows what happens to the connection.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
    /// Seconds between two readings
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub(crate) interval: Duration,
    /// Have the server keep the last reading for whoever subscribes later; the policy has to allow iot:RetainPublish
    #[arg(long)]
    pub(crate) retain: bool,
    /// How many readings; without it, until it is interrupted (Ctrl-C)
    #[arg(long)]
    pub(crate) count: Option<u64>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    let interval = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if interval.is_zero() { Err("longer than nothing, please".to_owned()) } else { Ok(interval) }
}
