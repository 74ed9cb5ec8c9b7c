use std::path::PathBuf;

use aws_iot_provision::{CALLS_PER_SECOND, PolicyName};
use clap::Args;

use super::intake::IntakeArgs;
use crate::aws_args::AwsArgs;
use crate::policy::GrantArgs;

/// The policy's name where none is given.
pub(crate) const DEFAULT_POLICY: &str = "se050-device";

/// What to register, and how.
#[derive(Args)]
pub(crate) struct DeviceArgs {
    /// The device's bundle or certificate (PEM or DER); `-` reads standard input
    #[arg(long, alias = "bundle", value_name = "FILE", required_unless_present = "fleet")]
    pub(super) certificate: Option<PathBuf>,
    /// Many devices: a directory of bundles, or a list in CSV, a JSON array or JSON lines
    #[arg(long, value_name = "PATH", conflicts_with = "certificate")]
    pub(super) fleet: Option<PathBuf>,
    /// The device's name in AWS IoT, which is also its MQTT client id; for many, a template such as gw-{serial}
    #[arg(long, value_name = "NAME")]
    pub(super) thing_name: Option<String>,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) intake: IntakeArgs,
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    #[command(flatten)]
    pub(super) aws: AwsArgs,
    #[command(flatten)]
    pub(super) fleet_args: FleetArgs,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

/// What devices get.
#[derive(Args)]
#[command(next_help_heading = "What devices get")]
pub(super) struct SettingsArgs {
    /// The policy that devices get; made if there is none of that name, a new version if it says something else
    #[arg(long, value_name = "NAME", default_value = DEFAULT_POLICY)]
    pub(super) policy_name: PolicyName,
    /// A policy document of your own; without it, each thing gets only its own topics
    #[arg(long, value_name = "FILE", conflicts_with_all = ["shadow", "jobs", "topic_prefix"])]
    pub(super) policy_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) grants: GrantArgs,
    /// Register certificates INACTIVE
    #[arg(long)]
    pub(super) inactive: bool,
    /// Let a certificate be attached to further things
    #[arg(long)]
    pub(super) shared: bool,
    /// The type of things; it has to exist
    #[arg(long, value_name = "NAME")]
    pub(super) thing_type: Option<String>,
    /// An attribute of things; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(super) attribute: Vec<(String, String)>,
    /// A group that things are to be in; it has to exist; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) group: Vec<String>,
}

/// How many devices are gone through.
#[derive(Args)]
#[command(next_help_heading = "Many devices")]
pub(super) struct FleetArgs {
    /// What is done so far, to go on from after an interruption; without it, PATH.journal
    #[arg(long, value_name = "FILE", requires = "fleet")]
    pub(super) journal: Option<PathBuf>,
    /// Write the report to FILE.csv and FILE.json; without it, PATH.report
    #[arg(long, value_name = "FILE", requires = "fleet")]
    pub(super) report: Option<PathBuf>,
    /// How many devices at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 16, requires = "fleet")]
    pub(super) concurrency: usize,
    /// Calls a second for each operation to begin with; throttling slows it down, success speeds it up
    #[arg(long, value_name = "CALLS", default_value_t = CALLS_PER_SECOND, requires = "fleet")]
    pub(super) rate: f64,
    /// Register nothing; write the input of AWS's bulk registration into this directory
    #[arg(long, value_name = "DIR", requires = "fleet")]
    pub(super) bulk_template: Option<PathBuf>,
}

/// The device configuration.
#[derive(Args)]
#[command(next_help_heading = "Device configuration")]
pub(super) struct ConfigArgs {
    /// Write the configuration that the device reads with --config; for many, THING.toml into this directory
    #[arg(long, value_name = "FILE")]
    pub(super) device_config: Option<PathBuf>,
    /// The endpoint's port, for the device configuration
    #[arg(long, value_name = "PORT", default_value_t = 8883, requires = "device_config")]
    pub(super) device_port: u16,
    /// The CA file on the device, for the device configuration; without it, Amazon's CAs
    #[arg(long, value_name = "FILE", requires = "device_config")]
    pub(super) device_ca_file: Option<String>,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "NAME=VALUE is wanted".to_owned())
}
