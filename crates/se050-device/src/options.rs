//! What a device's programs are told of its connection: by the program itself (its flags), by the environment, by the device
//! configuration, in this order.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_iot_mqtt::Proxy;
use device_identity::DeviceConfig;
use rustls_se050::TlsVersions;
use se050_key::Selector;

use crate::device::NO_CERTIFICATE;
use crate::{Device, DeviceSettings, KeyAndCertificate, TokenArgs};

/// MQTT over TLS (AWS IoT Core developer guide, "Device communication protocols").
const MQTT_PORT: u16 = 8883;

/// Names the device configuration.
const CONFIG_VARIABLE: &str = "SE050_CONFIG";

/// What a program says of a device's connection. What it leaves out comes from the environment (`SE050_ENDPOINT` and so on, see
/// the crate's README), then from the device configuration.
#[derive(Debug, Clone, Default)]
pub struct DeviceOptions {
    /// The device configuration, as `se050-iot provision --device-config` writes it.
    pub config: Option<PathBuf>,
    /// The data endpoint of the AWS account.
    pub endpoint: Option<String>,
    /// The endpoint's port; 8883 where nobody says another.
    pub port: Option<u16>,
    /// The MQTT client id; where nobody says one, it is made from the certificate.
    pub client_id: Option<String>,
    /// The private key.
    pub key: Option<Selector>,
    /// The certificate in the token.
    pub certificate: Option<Selector>,
    /// The certificate in a file, with its intermediates.
    pub certificate_file: Option<PathBuf>,
    /// The CA certificates to trust, in PEM or DER; Amazon's where nobody says others.
    pub ca_file: Option<PathBuf>,
    /// Module, token and PIN.
    pub token: TokenArgs,
    /// Which TLS versions are offered.
    pub tls_versions: Option<TlsVersions>,
    /// The HTTP proxy; in the environment it is `HTTPS_PROXY`.
    pub proxy: Option<Proxy>,
    /// How long the connection may be silent before the server is asked whether it is still there.
    pub keep_alive: Option<Duration>,
}

/// A required option that nobody gave: a wrong command line.
#[derive(Debug)]
pub(crate) struct MissingOption(pub(crate) &'static str);

impl fmt::Display for MissingOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for MissingOption {}

impl DeviceOptions {
    /// Opens the token, and prepares the connection. Nothing is connected yet.
    ///
    /// # Errors
    /// Something is missing or contradictory; the token, the key, a certificate or a file cannot be used.
    pub fn open(self) -> anyhow::Result<Device> {
        let settings = self.settings()?;
        settings.endpoint()?;
        let file = settings.certificate_file.as_deref();
        let opened =
            settings.token.open(settings.key()?, settings.certificate.as_ref(), file, NO_CERTIFICATE)?;
        let KeyAndCertificate { key, certificate, .. } = opened;
        settings.device(key, certificate)
    }

    /// What was said here, completed by the environment and by the device configuration. The token is not opened.
    ///
    /// # Errors
    /// A variable or the configuration cannot be read or used.
    pub fn settings(self) -> anyhow::Result<DeviceSettings> {
        self.completed_by(|variable| std::env::var_os(variable))
    }

    /// As [`Self::settings`], without any device configuration: for the program that is about to write one.
    ///
    /// # Errors
    /// A variable cannot be read or used.
    pub fn settings_without_config(self) -> anyhow::Result<DeviceSettings> {
        let others = |variable: &str| std::env::var_os(variable).filter(|_| variable != CONFIG_VARIABLE);
        Self { config: None, ..self }.completed_by(others)
    }

    fn completed_by(self, variable: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<DeviceSettings> {
        let pin_is_given = variable("SE050_PIN").is_some();
        let given = self.or(Self::from_environment(variable)?);
        let proxy = given.proxy.clone();
        let config = given.config.as_deref().map(read).transpose()?;
        let thing = config.as_ref().map(|config| config.thing.clone());
        let topic_prefix = config.as_ref().map(|config| config.topic_prefix.clone());
        let (all, config_proxy) = match (config, given.config.clone()) {
            (Some(config), Some(file)) => {
                let mut config = Self::from_device_config(config)
                    .with_context(|| format!("--config {}", file.display()))?;
                if pin_is_given {
                    config.token.pin_file = None;
                }
                let config_proxy = config.proxy.take();
                (given.or(config), config_proxy)
            }
            _ => (given, None),
        };
        Ok(DeviceSettings {
            endpoint: all.endpoint,
            port: all.port.unwrap_or(MQTT_PORT),
            client_id: all.client_id,
            thing,
            topic_prefix,
            key: all.key,
            certificate: all.certificate,
            certificate_file: all.certificate_file,
            ca_file: all.ca_file,
            token: all.token,
            tls_versions: all.tls_versions.unwrap_or_default(),
            keep_alive: all.keep_alive,
            proxy,
            config_proxy,
        })
    }

    /// What is said here comes first; what is not, comes from `lower`.
    fn or(self, lower: Self) -> Self {
        // A certificate that was named for one key says nothing of another.
        let names_identity =
            self.key.is_some() || self.certificate.is_some() || self.certificate_file.is_some();
        let (certificate, certificate_file) = if names_identity {
            (self.certificate, self.certificate_file)
        } else {
            (lower.certificate, lower.certificate_file)
        };
        Self {
            config: self.config.or(lower.config),
            endpoint: self.endpoint.or(lower.endpoint),
            port: self.port.or(lower.port),
            client_id: self.client_id.or(lower.client_id),
            certificate,
            certificate_file,
            ca_file: self.ca_file.or(lower.ca_file),
            token: self.token.or(lower.token, self.key.as_ref().as_slice()),
            key: self.key.or(lower.key),
            tls_versions: self.tls_versions.or(lower.tls_versions),
            proxy: self.proxy.or(lower.proxy),
            keep_alive: self.keep_alive.or(lower.keep_alive),
        }
    }

    fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Self> {
        let path = |name: &str| path(&variable, name);
        Ok(Self {
            config: path(CONFIG_VARIABLE),
            endpoint: parsed(&variable, "SE050_ENDPOINT")?,
            port: parsed(&variable, "SE050_PORT")?,
            client_id: parsed(&variable, "SE050_CLIENT_ID")?,
            key: parsed(&variable, "SE050_KEY_LABEL")?,
            certificate: parsed(&variable, "SE050_CERT_LABEL")?,
            certificate_file: path("SE050_CERT"),
            ca_file: path("SE050_CA_FILE"),
            token: TokenArgs::from_environment(&variable)?,
            tls_versions: text(&variable, "SE050_TLS_VERSION")?
                .map(|text| tls_versions(&text).context("the environment variable SE050_TLS_VERSION"))
                .transpose()?,
            // `Proxy::from_environment` knows the rules for it.
            proxy: None,
            keep_alive: parsed(&variable, "SE050_KEEP_ALIVE")?.map(Duration::from_secs),
        })
    }

    fn from_device_config(config: DeviceConfig) -> anyhow::Result<Self> {
        let key = config.key;
        Ok(Self {
            config: None,
            endpoint: Some(config.endpoint),
            port: Some(config.port),
            client_id: Some(config.client_id),
            key: Some(key.label.parse()?),
            certificate: key.certificate.map(|label| label.parse()).transpose()?,
            certificate_file: key.certificate_file.map(PathBuf::from),
            ca_file: config.ca_file.map(PathBuf::from),
            token: TokenArgs {
                pkcs11_lib: key.pkcs11_lib.map(PathBuf::from),
                token_label: key.token_label,
                pin_file: key.pin_file.map(PathBuf::from),
            },
            tls_versions: config
                .tls_version
                .map(|text| tls_versions(&text).context("tls_version"))
                .transpose()?,
            proxy: config.proxy.map(|text| proxy(&text)).transpose()?,
            keep_alive: config.keep_alive.map(Duration::from_secs),
        })
    }
}

/// The TLS versions by their numbers.
pub(crate) const TLS_VERSIONS: [(&str, TlsVersions); 3] =
    [("auto", TlsVersions::Auto), ("1.2", TlsVersions::Tls12), ("1.3", TlsVersions::Tls13)];

pub(crate) fn tls_versions(text: &str) -> anyhow::Result<TlsVersions> {
    let known = TLS_VERSIONS.into_iter().find(|(name, _)| *name == text);
    known
        .map(|(_, versions)| versions)
        .with_context(|| format!("{text:?} is no TLS version: auto, 1.2 or 1.3"))
}

/// A proxy that a flag or the device configuration names: both can be read by others, so neither may hold a password.
pub(crate) fn proxy(text: &str) -> anyhow::Result<Proxy> {
    if text.contains('@') {
        bail!(
            "a proxy's name and password do not belong on the command line or in a file that others can read: put them into the \
             environment variable HTTPS_PROXY (http://USER:PASSWORD@HOST:PORT)"
        );
    }
    Ok(text.parse()?)
}

/// The file that the variable names; an empty one says nothing.
pub(crate) fn path(variable: &impl Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    variable(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The variable's value; an empty one says nothing.
fn text(variable: &impl Fn(&str) -> Option<OsString>, name: &str) -> anyhow::Result<Option<String>> {
    let Some(value) = variable(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let text = value.into_string();
    text.map(Some).map_err(|_| anyhow::anyhow!("the environment variable {name} is not UTF-8"))
}

pub(crate) fn parsed<T>(variable: &impl Fn(&str) -> Option<OsString>, name: &str) -> anyhow::Result<Option<T>>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let Some(text) = text(variable, name)? else { return Ok(None) };
    text.parse().map(Some).with_context(|| format!("the environment variable {name}"))
}

fn read(config: &Path) -> anyhow::Result<DeviceConfig> {
    DeviceConfig::from_file(config).with_context(|| format!("--config {}", config.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration in which everything is said.
    fn config(directory: &Path) -> PathBuf {
        let mut config = DeviceConfig::new("config.example", "config", "sss:100100F0");
        config.port = 1;
        config.ca_file = Some("config.pem".to_owned());
        config.proxy = Some("http://config:1".to_owned());
        config.tls_version = Some("1.2".to_owned());
        config.keep_alive = Some(31);
        config.key.certificate = Some("sss:110100F0".to_owned());
        config.key.pkcs11_lib = Some("config.so".to_owned());
        config.key.token_label = Some("config".to_owned());
        config.key.pin_file = Some("config.pin".to_owned());
        let file = directory.join("device.toml");
        std::fs::write(&file, config.to_toml().unwrap()).unwrap();
        file
    }

    fn environment(name: &str) -> Option<OsString> {
        let value = match name {
            "SE050_ENDPOINT" => "environment.example",
            "SE050_PORT" => "2",
            "SE050_CLIENT_ID" | "SE050_TOKEN_LABEL" => "environment",
            "SE050_KEY_LABEL" => "sss:000100F0",
            "SE050_CERT" => "environment.der",
            "SE050_CA_FILE" => "environment.pem",
            "SE050_TLS_VERSION" => "1.3",
            "SE050_KEEP_ALIVE" => "32",
            "SE050_PKCS11_LIB" => "environment.so",
            "SE050_PIN_FILE" => "environment.pin",
            _ => return None,
        };
        Some(value.into())
    }

    fn shown(settings: &DeviceSettings) -> String {
        let DeviceSettings { endpoint, port, client_id, key, certificate, certificate_file, ca_file, .. } =
            settings;
        let TokenArgs { pkcs11_lib, token_label, pin_file } = &settings.token;
        let file = |path: &Option<PathBuf>| path.as_deref().unwrap_or(Path::new("-")).display().to_string();
        let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let selector = |selector: &Option<Selector>| text(selector.as_ref().map(Selector::as_str));
        [
            text(endpoint.as_deref()),
            port.to_string(),
            text(client_id.as_deref()),
            selector(key),
            selector(certificate),
            file(certificate_file),
            file(ca_file),
            file(pkcs11_lib),
            text(token_label.as_deref()),
            file(pin_file),
            format!("{:?}", settings.tls_versions),
            format!("{:?}", settings.keep_alive.unwrap_or_default()),
        ]
        .join(" ")
    }

    #[test]
    fn flags_come_before_the_environment_and_the_environment_before_the_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let config = Some(config(directory.path()));
        let options = || DeviceOptions { config: config.clone(), ..DeviceOptions::default() };
        let flags = DeviceOptions {
            endpoint: Some("flag.example".to_owned()),
            port: Some(3),
            key: Some("sss:200100F0".parse().unwrap()),
            tls_versions: Some(TlsVersions::Auto),
            ..options()
        };
        let uri = DeviceOptions {
            key: Some("pkcs11:token=t;object=o?module-path=/m.so&pin-source=/p".parse().unwrap()),
            ..options()
        };
        let nothing = |_: &str| None;
        // Its label only looks like an attribute that names the token.
        let label = DeviceOptions { key: Some("pkcs11:object=token=x".parse().unwrap()), ..options() };
        for (case, settings, expected) in [
            (
                "a URI that does not name the token",
                label.completed_by(environment),
                "environment.example 2 environment pkcs11:object=token=x - - environment.pem environment.so environment environment.pin \
                 Tls13 32s",
            ),
            (
                "the configuration alone",
                options().completed_by(nothing),
                "config.example 1 config sss:100100F0 sss:110100F0 - config.pem config.so config config.pin Tls12 31s",
            ),
            (
                "the environment before it",
                options().completed_by(environment),
                "environment.example 2 environment sss:000100F0 - environment.der environment.pem environment.so environment \
                 environment.pin Tls13 32s",
            ),
            (
                "flags before both; another key does not get their certificates",
                flags.completed_by(environment),
                "flag.example 3 environment sss:200100F0 - - environment.pem environment.so environment environment.pin Auto 32s",
            ),
            (
                "a URI that says it all",
                uri.completed_by(environment),
                "environment.example 2 environment pkcs11:token=t;object=o?module-path=/m.so&pin-source=/p - - environment.pem - - - \
                 Tls13 32s",
            ),
            (
                "a PIN in the environment goes before the configuration's file",
                options().completed_by(|name| (name == "SE050_PIN").then(|| "1".into())),
                "config.example 1 config sss:100100F0 sss:110100F0 - config.pem config.so config - Tls12 31s",
            ),
        ] {
            assert_eq!(shown(&settings.unwrap()), expected, "{case}");
        }
    }

    #[test]
    fn a_proxy_of_a_flag_comes_before_that_of_the_configuration_and_holds_no_password() {
        let directory = tempfile::tempdir().unwrap();
        let options = DeviceOptions { config: Some(config(directory.path())), ..DeviceOptions::default() };
        let flag = DeviceOptions { proxy: Some(proxy("flag:2").unwrap()), ..options.clone() };
        for (options, expected) in [(options, "config:1"), (flag, "flag:2")] {
            let found = options.completed_by(|_| None).unwrap().proxy_to("host").unwrap().unwrap();
            assert_eq!(found.to_string(), expected);
        }
        let error = proxy("http://me:s3cret@proxy:1").unwrap_err().to_string();
        assert!(error.contains("HTTPS_PROXY") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn a_variable_that_cannot_be_used_is_told_by_its_name() {
        for name in ["SE050_PORT", "SE050_KEY_LABEL", "SE050_TLS_VERSION", "SE050_KEEP_ALIVE"] {
            let wrong = |asked: &str| (asked == name).then(|| "sss:".into());
            let error = DeviceOptions::default().completed_by(wrong).unwrap_err();
            assert!(error.to_string().contains(name), "{error:#}");
        }
        let empty = DeviceOptions::default().completed_by(|_| Some(OsString::new())).unwrap();
        assert_eq!(empty.endpoint, None, "an empty variable says nothing");
    }
}
