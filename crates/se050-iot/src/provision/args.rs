use std::path::PathBuf;

use aws_iot_provision::{CALLS_PER_SECOND, PolicyName};
use clap::Args;

use super::intake::IntakeArgs;
use crate::aws_args::AwsArgs;
use crate::policy::{GRANT_OPTIONS, GrantArgs};

/// The policy's name where none is given.
pub(crate) const DEFAULT_POLICY: &str = "se050-device";

/// What to register, and how.
#[derive(Args)]
pub(crate) struct DeviceArgs {
    /// The device's bundle or certificate (PEM or DER); `-` reads standard input
    #[arg(long, alias = "bundle", value_name = "FILE", group = "input")]
    pub(super) certificate: Option<PathBuf>,
    /// Many devices: a directory of bundles, or a list in CSV, a JSON array or JSON lines
    #[arg(long, value_name = "PATH", group = "input")]
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
pub(crate) struct SettingsArgs {
    /// The policy that devices get; made if there is none of that name, and never changed here (`se050-iot policy apply` does)
    #[arg(long, value_name = "NAME", default_value = DEFAULT_POLICY)]
    pub(super) policy_name: PolicyName,
    /// A policy document of your own; without it, each thing gets only its own topics
    #[arg(long, value_name = "FILE", conflicts_with_all = GRANT_OPTIONS)]
    pub(super) policy_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) grants: GrantArgs,
    /// Where a thing has another certificate already: detach and deactivate that one
    #[arg(long, conflicts_with = "add")]
    pub(super) replace: bool,
    /// Where a thing has another certificate already: let it have both
    #[arg(long)]
    pub(super) add: bool,
    /// Take other policies off the device's certificate
    #[arg(long)]
    pub(super) detach_other_policies: bool,
    /// Register certificates INACTIVE
    #[arg(long)]
    pub(crate) inactive: bool,
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
    /// Write the report to FILE.csv and the results to FILE.jsonl as they come; without it, PATH.report
    #[arg(long, value_name = "FILE", requires = "fleet")]
    pub(super) report: Option<PathBuf>,
    /// Skip the devices that this results file (.jsonl) of the same account, region and settings says are registered
    #[arg(long, value_name = "RESULTS", requires = "fleet")]
    pub(super) resume: Option<PathBuf>,
    /// A re-run asks the account now, and not a file
    #[arg(long, value_name = "FILE", hide = true)]
    pub(super) journal: Option<PathBuf>,
    #[command(flatten)]
    pub(super) pace: PaceArgs,
}

/// How fast many devices are gone through.
#[derive(Args)]
pub(crate) struct PaceArgs {
    /// How many devices at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) concurrency: u16,
    /// Most calls a second for each of AWS's operations; when AWS throttles, fewer
    #[arg(long, value_name = "CALLS", default_value_t = CALLS_PER_SECOND, value_parser = rate)]
    pub(crate) rate: f64,
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

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().map_err(|_| "it has to be a number".to_owned())?;
    if (0.1..=10_000.0).contains(&rate) {
        Ok(rate)
    } else {
        Err("it has to be 0.1 to 10000 calls a second".to_owned())
    }
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "it has to be NAME=VALUE".to_owned())
}
