//! Where to connect and with which key: by the command line, else by the device configuration.

use std::path::PathBuf;

use anyhow::Context as _;
use device_identity::DeviceConfig;
use se050_key::{NXP_MODULE, Selector};

use crate::args::Args;

/// MQTT over TLS (AWS IoT Core's data endpoint).
const MQTTS: u16 = 8883;

pub(crate) struct Target {
    pub(crate) endpoint: String,
    pub(crate) port: u16,
    /// `None`: Amazon's.
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) pkcs11_lib: PathBuf,
    pub(crate) key: Selector,
    /// `None`: the one that belongs to the key.
    pub(crate) certificate: Option<Selector>,
    pub(crate) client_id: Option<String>,
    pub(crate) topic: Option<String>,
}

impl Target {
    pub(crate) fn of(args: &Args) -> anyhow::Result<Self> {
        let read = |path: &PathBuf| {
            DeviceConfig::from_file(path).with_context(|| format!("--config {}", path.display()))
        };
        let config = args.config.as_ref().map(read).transpose()?;
        let config = config.as_ref();
        let key = match (&args.key_label, config) {
            (Some(key), _) => Some(key.clone()),
            (None, Some(config)) => Some(config.key.label.parse()?),
            (None, None) => None,
        };
        // A certificate that was named for one key says nothing of another.
        let certificate =
            config.filter(|_| args.key_label.is_none()).and_then(|c| c.key.certificate.as_deref());
        let module = || config.and_then(|config| config.key.pkcs11_lib.as_ref()).map(PathBuf::from);
        Ok(Self {
            endpoint: args
                .endpoint
                .clone()
                .or_else(|| config.map(|config| config.endpoint.clone()))
                .context("--endpoint or --config is needed")?,
            port: args.port.or(config.map(|config| config.port)).unwrap_or(MQTTS),
            ca_file: args.ca_file.clone().or_else(|| config?.ca_file.as_ref().map(PathBuf::from)),
            pkcs11_lib: args.pkcs11_lib.clone().or_else(module).unwrap_or_else(|| PathBuf::from(NXP_MODULE)),
            key: key.context("--key-label or --config is needed")?,
            certificate: certificate.map(str::parse).transpose()?,
            client_id: args.client_id.clone().or_else(|| config.map(|config| config.client_id.clone())),
            topic: args
                .topic
                .clone()
                .or_else(|| config.map(|config| format!("{}/pubsub", config.topic_prefix))),
        })
    }
}
