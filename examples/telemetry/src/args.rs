//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use aws_iot_mqtt::durable::{Commit, DurableOptions, WhenDiskFails};
use clap::{Parser, ValueEnum};
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
    /// Keep readings in this directory until the server has them: they survive a restart and a power failure
    #[arg(long, value_name = "DIR")]
    pub(crate) durable: Option<PathBuf>,
    /// Write several readings to the disk together, at most so many seconds after the first of them: wears the disk less. 120 suits
    /// btrfs, as on Armadillo Base OS, and 30 suits ext4
    #[arg(long, value_name = "SECONDS", requires = "durable", value_parser = seconds)]
    pub(crate) commit_delay: Option<Duration>,
    /// With --commit-delay: write when so many readings wait
    #[arg(long, value_name = "NUMBER", requires = "commit_delay", default_value = "1000")]
    pub(crate) commit_messages: usize,
    /// What happens to readings while the disk is full, read-only or broken
    #[arg(long, value_enum, requires = "durable", default_value_t = DiskFails::Refuse)]
    pub(crate) when_disk_fails: DiskFails,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum DiskFails {
    /// They are lost, and counted
    Refuse,
    /// They wait in memory
    Memory,
}

impl Args {
    pub(crate) fn durable(&self) -> Option<DurableOptions> {
        let commit = match self.commit_delay {
            Some(delay) => Commit::Batched { delay, messages: self.commit_messages },
            None => Commit::Each,
        };
        let choice = match self.when_disk_fails {
            DiskFails::Refuse => WhenDiskFails::Refuse,
            DiskFails::Memory => WhenDiskFails::Memory,
        };
        Some(DurableOptions::new(self.durable.as_ref()?).commit(commit).when_disk_fails(choice))
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    let interval = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if interval.is_zero() { Err("longer than nothing, please".to_owned()) } else { Ok(interval) }
}
