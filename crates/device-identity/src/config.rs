use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{FileError, FormatError};

const VERSION: u64 = 1;
const FILE: &str = "device configuration";

/// The comment at the file's head.
const HEAD: &str = "# Where this device connects. Written by `se050-iot provision`; it holds no secret.\n";

/// What a device has to know to connect: the file that `se050-iot provision --device-config` writes and the device's
/// programs read with `--config` (TOML).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DeviceConfig {
    version: u64,
    /// The host name of the account's data endpoint.
    pub endpoint: String,
    /// The endpoint's port: 8883, or 443 with ALPN.
    pub port: u16,
    /// The device's name on AWS IoT.
    pub thing: String,
    /// The MQTT client id.
    pub client_id: String,
    /// What the device's own topics begin with, without a slash at the end.
    pub topic_prefix: String,
    /// The CA certificates to trust, in PEM; without it, Amazon's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// The HTTP proxy, as `http://HOST:PORT`. It holds no password: that belongs into the environment variable `HTTPS_PROXY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// The TLS version to speak: `auto`, `1.2` or `1.3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_version: Option<String>,
    /// MQTT's keep-alive, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<u64>,
    /// The key in the chip.
    pub key: KeyConfig,
}

/// The key in the chip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// The label of the private key, such as `sss:100100F0`.
    pub label: String,
    /// The label of the certificate, where it does not follow from the key's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The PKCS#11 module, where it is not NXP's in its usual place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkcs11_lib: Option<String>,
    /// The certificate in a file, with its intermediates, where it is not in the chip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<String>,
    /// The token, where the module has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_label: Option<String>,
    /// The file with the PIN, where the token asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin_file: Option<String>,
}

/// A key whose certificate follows from it, behind NXP's module.
impl From<&str> for KeyConfig {
    fn from(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            certificate: None,
            pkcs11_lib: None,
            certificate_file: None,
            token_label: None,
            pin_file: None,
        }
    }
}

impl DeviceConfig {
    /// A device that connects with TLS on port 8883 under its thing's name, with its own topics below that name.
    pub fn new(endpoint: &str, thing: &str, key: impl Into<KeyConfig>) -> Self {
        Self {
            version: VERSION,
            endpoint: endpoint.to_owned(),
            port: 8883,
            thing: thing.to_owned(),
            client_id: thing.to_owned(),
            topic_prefix: thing.to_owned(),
            ca_file: None,
            proxy: None,
            tls_version: None,
            keep_alive: None,
            key: key.into(),
        }
    }

    /// The configuration as a file.
    ///
    /// # Errors
    /// Never in practice: it holds nothing that TOML cannot say.
    pub fn to_toml(&self) -> Result<String, FileError> {
        let body = toml::to_string(self).map_err(|error| FileError::Toml(FormatError::of(error)))?;
        Ok(format!("{HEAD}{body}"))
    }

    /// Reads a configuration from its file, which the error does not name: the caller knows what it called it.
    ///
    /// # Errors
    /// The file cannot be read, or as [`Self::from_toml`].
    pub fn from_file(path: &Path) -> Result<Self, FileError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| FileError::Unreadable { file: FILE, source })?;
        Self::from_toml(&text)
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// Not TOML, a member that is missing or not known, an empty value, or a later version.
    pub fn from_toml(text: &str) -> Result<Self, FileError> {
        let unreadable = |error: toml::de::Error| FileError::Toml(FormatError::of(error));
        let Envelope { version } = toml::from_str(text).map_err(unreadable)?;
        if version != VERSION {
            return Err(FileError::Version { file: FILE, found: version, known: VERSION });
        }
        let config: Self = toml::from_str(text).map_err(unreadable)?;
        let required = [
            ("endpoint", &config.endpoint),
            ("thing", &config.thing),
            ("client_id", &config.client_id),
            ("topic_prefix", &config.topic_prefix),
            ("key.label", &config.key.label),
        ];
        match required.iter().find(|(_, value)| value.is_empty()) {
            Some((field, _)) => Err(FileError::Field { file: FILE, field, reason: "it is empty".to_owned() }),
            None => Ok(config),
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    version: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut config = DeviceConfig::new("x-ats.iot.eu-west-1.amazonaws.com", "dev1", "sss:100100F0");
        config.ca_file = Some("/etc/ca.pem".to_owned());
        let text = config.to_toml().unwrap();
        assert!(text.starts_with("# ") && text.contains("[key]\nlabel = \"sss:100100F0\""), "{text}");
        assert_eq!(DeviceConfig::from_toml(&text).unwrap(), config);
    }

    #[test]
    fn what_cannot_be_is_told() {
        let good = DeviceConfig::new("e", "t", "l").to_toml().unwrap();
        for (name, text, says) in [
            ("later version", good.replace("version = 1", "version = 2"), "newer se050-iot"),
            ("cut short", good.replace("[key]", ""), "label"),
            ("empty", good.replace("endpoint = \"e\"", "endpoint = \"\""), "endpoint"),
            ("mistyped", good.replace("port", "prot"), "prot"),
        ] {
            let error = DeviceConfig::from_toml(&text).unwrap_err();
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(format!("{error}: {source}").contains(says), "{name}: {error}: {source}");
        }
    }
}
