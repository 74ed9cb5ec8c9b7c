//! The configuration that the device reads.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use aws_iot_provision::{DeviceCertificate, Rights, Settings};
use device_identity::{DeviceConfig, KeyConfig, KeyKind};

use super::args::ConfigArgs;

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

pub(super) fn write(
    path: &Path,
    args: &ConfigArgs,
    settings: &Settings,
    thing: &str,
    endpoint: &str,
    key: &KeyConfig,
) -> anyhow::Result<()> {
    let mut config = DeviceConfig::new(endpoint, thing, key.clone());
    config.port = args.device_port;
    config.ca_file.clone_from(&args.device_ca_file);
    if let Rights::Least(grants) = &settings.rights {
        config.topic_prefix = grants.topic_prefix_of(thing);
    }
    fs::write(path, config.to_toml()?)
        .with_context(|| format!("the device is registered, but {} cannot be written", path.display()))
}
