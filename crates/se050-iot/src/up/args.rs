use std::path::{Path, PathBuf};

use aws_iot_provision::ThingName;
use clap::Args;
use se050_device::DeviceArgs;

use crate::aws_args::AwsArgs;
use crate::provision::SettingsArgs;

/// Where the device configuration is written, where nobody says another place.
const CONFIG: &str = "device.toml";

const AFTER_HELP: &str = "\
In this order: reads the certificate from the chip; asks which account it is; registers thing, policy, certificate and attachments as \
`provision` does, with the same refusals; writes the device configuration; connects with the chip's key, and sends one message to \
PREFIX/up, which has to come back. Needs the operator's AWS credentials, found as the AWS CLI finds them. Safe to repeat, also after an \
interruption. It connects as the device: a program that is connected under the same client id loses its connection.

Example:
  se050-iot up --thing gw-1 --plan
  se050-iot up --thing gw-1
  se050-iot doctor --config device.toml";

/// What `se050-iot up` is told.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
#[command(mut_arg("endpoint", |arg| {
    arg.help("The data endpoint, where it is not the one that AWS IoT names for the account [env: SE050_ENDPOINT]")
}))]
#[command(mut_arg("client_id", |arg| {
    arg.help("The MQTT client id, where it is not the thing's name [env: SE050_CLIENT_ID]")
}))]
#[command(mut_arg("config", |arg| {
    arg.alias("device-config").help(
        "The device configuration to write; one of the same thing is read first, and what it says need not be said again [env: \
         SE050_CONFIG] [default: device.toml]",
    )
}))]
#[command(mut_arg("inactive", |arg| arg.hide(true)))]
pub(crate) struct UpArgs {
    /// The device's name in AWS IoT, which is also its MQTT client id
    #[arg(long, alias = "thing-name", value_name = "NAME")]
    pub(super) thing: ThingName,
    /// Show what would be done, and change nothing
    #[arg(long)]
    pub(super) plan: bool,
    /// Replace a device configuration of another device without asking
    #[arg(long)]
    pub(super) yes: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) device: DeviceArgs,
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    #[command(flatten)]
    pub(super) aws: AwsArgs,
}

impl UpArgs {
    /// Where the device configuration is written.
    pub(super) fn file(&self) -> PathBuf {
        let named = self.device.config.clone().or_else(|| environment("SE050_CONFIG").map(PathBuf::from));
        named.unwrap_or_else(|| Path::new(CONFIG).to_owned())
    }

    /// The endpoint that was named in the place of the account's own.
    pub(super) fn endpoint(&self) -> Option<String> {
        self.device.endpoint.clone().or_else(|| environment("SE050_ENDPOINT"))
    }
}

fn environment(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}
