//! The configuration that the device reads.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use aws_iot_provision::{Rights, Settings};
use device_identity::DeviceConfig;

use super::args::ConfigArgs;

/// The factory key "cloud connection key 0, RSA2048", object 0xF0000110, as NXP's module wants it named.
pub(super) const FACTORY_KEY: &str = "sss:100100F0";

pub(super) fn write(
    path: &Path,
    args: &ConfigArgs,
    settings: &Settings,
    thing: &str,
    endpoint: &str,
    key_label: Option<&str>,
) -> anyhow::Result<()> {
    let mut config = DeviceConfig::new(endpoint, thing, key_label.unwrap_or(FACTORY_KEY));
    config.port = args.device_port;
    config.ca_file.clone_from(&args.device_ca_file);
    if let Rights::Least(grants) = &settings.rights {
        config.topic_prefix = grants.topic_prefix_of(thing);
    }
    fs::write(path, config.to_toml()?)
        .with_context(|| format!("the device is registered, but {} cannot be written", path.display()))
}
