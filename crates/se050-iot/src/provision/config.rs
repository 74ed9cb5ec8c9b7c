//! The configuration that the device reads.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use aws_iot_provision::{Device, Rights};
use device_identity::DeviceConfig;

use super::args::ConfigArgs;
use super::files::{check_writable, write_whole};

/// The factory key "cloud connection key 0, RSA2048", object 0xF0000110, as NXP's module wants it named.
pub(super) const FACTORY_KEY: &str = "sss:100100F0";

/// Tells before anything is registered whether the configurations can be written.
pub(super) fn check(args: &ConfigArgs, fleet: bool) -> anyhow::Result<()> {
    let Some(path) = &args.device_config else { return Ok(()) };
    if !fleet {
        return check_writable(path);
    }
    fs::create_dir_all(path)
        .with_context(|| format!("cannot make {}; nothing was registered", path.display()))?;
    check_writable(&path.join("device.toml"))
}

/// Writes the configuration of a device to `path`.
pub(super) fn write(path: &Path, args: &ConfigArgs, device: &Device, endpoint: &str) -> anyhow::Result<()> {
    let thing = device.thing.as_str();
    let mut config = DeviceConfig::new(endpoint, thing, FACTORY_KEY);
    if let Some(key) = &device.key {
        config.key = key.clone();
    }
    config.port = args.device_port;
    config.ca_file.clone_from(&args.device_ca_file);
    if let Rights::Least(grants) = &device.settings.rights {
        config.topic_prefix = grants.topic_prefix_of(thing);
    }
    write_whole(path, config.to_toml()?.as_bytes())
        .context("the device is registered, but not its configuration written")
}
