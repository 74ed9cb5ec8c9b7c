//! The configuration that the device reads.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use aws_iot_provision::{Device, DeviceCertificate, Rights};
use device_identity::{DeviceConfig, KeyConfig, KeyKind};

use super::args::ConfigArgs;
use crate::files::{check_writable, write_whole};

/// The labels of the factory's keys for cloud connections, as NXP's module wants them named: objects 0xF0000110 (RSA 2048)
/// and 0xF0000100 (NIST P-256) of NXP's AN12436.
const FACTORY_KEYS: [(KeyKind, &str); 2] =
    [(KeyKind::Rsa { bits: 2048 }, "sss:100100F0"), (KeyKind::EcP256, "sss:000100F0")];

/// The key that the device is to use: the bundle's, or without a bundle the factory key of the certificate's kind.
pub(super) fn key_of(
    bundled: Option<&KeyConfig>,
    certificate: &DeviceCertificate,
) -> anyhow::Result<KeyConfig> {
    if let Some(key) = bundled {
        return Ok(key.clone());
    }
    let kind = certificate.key_kind();
    let label = FACTORY_KEYS.iter().find(|(factory, _)| *factory == kind).map(|(_, label)| *label);
    label.map(KeyConfig::from).with_context(|| {
        format!(
            "the certificate alone does not tell which key of the chip the device uses, and there is no factory key of its kind \
             ({kind}); give the bundle that `se050-iot identity export` writes on the device"
        )
    })
}

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
    let mut config = DeviceConfig::new(endpoint, thing, key_of(device.key.as_ref(), &device.certificate)?);
    config.port = args.device_port;
    config.ca_file.clone_from(&args.device_ca_file);
    if let Rights::Least(grants) = &device.settings.rights {
        config.topic_prefix = grants.topic_prefix_of(thing);
    }
    write_whole(path, config.to_toml()?.as_bytes())
        .context("the device is registered, but not its configuration written")
}
