//! A device that is ready to connect.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use aws_iot_mqtt::{Builder, Client};
use device_identity::DeviceConfig;
use rustls_se050::rustls::{ClientConfig, RootCertStore};
use rustls_se050::{ClientConfigBuilder, ClientIdentity, Explanation, TlsVersions, roots_from_pem_file};
use se050_key::{Certificate, Key, Selector};

use crate::{KeyAndCertificate, TokenArgs, verdict};

/// MQTT over TLS (AWS IoT Core developer guide, "Device communication protocols").
const MQTT_PORT: u16 = 8883;

const NO_CERTIFICATE: &str = if cfg!(feature = "clap") {
    "the device's certificate is needed: --cert FILE, or --cert-label LABEL for one in the token"
} else {
    "the device's certificate is needed: name it in the device configuration (key.certificate)"
};

/// What is said of a device's connection. What is left out comes from the device configuration, where there is one.
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
    pub tls_versions: TlsVersions,
}

/// A device that is ready to connect: key and certificate are found, belong together, and make a TLS configuration.
#[derive(Debug)]
pub struct Device {
    endpoint: String,
    port: u16,
    client_id: String,
    topic_prefix: String,
    certificate: Certificate,
    identity: ClientIdentity,
    tls: Arc<ClientConfig>,
}

impl Device {
    /// The device that a configuration file describes.
    ///
    /// # Errors
    /// As [`DeviceOptions::open`].
    pub fn from_config(file: impl Into<PathBuf>) -> anyhow::Result<Self> {
        DeviceOptions { config: Some(file.into()), ..DeviceOptions::default() }.open()
    }

    /// A client for this device, not connected yet: endpoint, port, client id and TLS are set, the proxy is the environment's
    /// (`HTTPS_PROXY`), and failures of the chip are told apart as [`verdict`] says.
    pub fn client(&self) -> Builder {
        Client::builder(&self.endpoint, &self.client_id, Arc::clone(&self.tls))
            .port(self.port)
            .proxy_from_environment()
            .classify_signer_errors(verdict)
    }

    /// The error with what it has to do with this device's key and certificate, where it has.
    pub fn explained(&self, error: aws_iot_mqtt::Error) -> anyhow::Error {
        match self.identity.explain(&error) {
            // The chip's failure is among the error's causes already.
            None | Some(Explanation::Chip(_)) => error.into(),
            Some(explanation @ Explanation::TlsVersion { .. }) if cfg!(feature = "clap") => {
                anyhow::Error::new(error).context(format!("{explanation} (--tls-version)"))
            }
            Some(explanation) => anyhow::Error::new(error).context(explanation.to_string()),
        }
    }

    /// The TLS configuration that [`Device::client`] uses.
    pub fn tls(&self) -> &Arc<ClientConfig> {
        &self.tls
    }

    /// The host name of the endpoint.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The endpoint's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The MQTT client id.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What the device's own topics begin with, without a slash at the end: the client id, where the configuration says
    /// nothing else.
    pub fn topic_prefix(&self) -> &str {
        &self.topic_prefix
    }

    /// The device's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

impl DeviceOptions {
    /// Opens the token, and prepares the connection. Nothing is connected yet.
    ///
    /// # Errors
    /// Something is missing or contradictory; the token, the key, a certificate or a file cannot be used.
    pub fn open(self) -> anyhow::Result<Device> {
        let settings = self.settings()?;
        settings.endpoint()?;
        let key = settings.key.as_ref().context("no key: --key-label LABEL, or --config FILE")?;
        let file = settings.certificate_file.as_deref();
        let opened = settings.token.open(key, settings.certificate.as_ref(), file, NO_CERTIFICATE)?;
        let KeyAndCertificate { key, certificate, .. } = opened;
        settings.device(key, certificate)
    }

    /// What was said here, completed by the device configuration. The token is not opened.
    ///
    /// # Errors
    /// The configuration cannot be read or used.
    pub fn settings(self) -> anyhow::Result<DeviceSettings> {
        let config = self.config.as_deref().map(read).transpose()?;
        let config = config.as_ref();
        // A certificate or module that was named for one key says nothing of another.
        let key_config = config.map(|config| &config.key).filter(|_| self.key.is_none());
        let key = match (self.key, key_config) {
            (None, Some(config)) => Some(config.label.parse()?),
            (given, _) => given,
        };
        let certificate = match (self.certificate, key_config.and_then(|key| key.certificate.as_ref())) {
            (None, Some(label)) if self.certificate_file.is_none() => Some(label.parse()?),
            (given, _) => given,
        };
        let mut token = self.token;
        let uri = key.as_ref().and_then(Selector::uri);
        let names_module = uri.is_some_and(|uri| uri.module_path().is_some());
        if token.pkcs11_lib.is_none() && (key_config.is_some() || !names_module) {
            token.pkcs11_lib = config.and_then(|config| config.key.pkcs11_lib.as_ref()).map(PathBuf::from);
        }
        Ok(DeviceSettings {
            endpoint: self.endpoint.or_else(|| Some(config?.endpoint.clone())),
            port: self.port.or(config.map(|config| config.port)).unwrap_or(MQTT_PORT),
            client_id: self.client_id.or_else(|| Some(config?.client_id.clone())),
            topic_prefix: config.map(|config| config.topic_prefix.clone()),
            key,
            certificate,
            certificate_file: self.certificate_file,
            ca_file: self.ca_file.or_else(|| config?.ca_file.as_ref().map(PathBuf::from)),
            token,
            tls_versions: self.tls_versions,
        })
    }
}

/// All that is known of a device's connection before its token is opened: the options, completed by the device configuration.
#[derive(Debug, Clone)]
pub struct DeviceSettings {
    /// The data endpoint of the AWS account.
    pub endpoint: Option<String>,
    /// The endpoint's port.
    pub port: u16,
    /// The MQTT client id; `None`: one is made from the certificate.
    pub client_id: Option<String>,
    /// What the device's own topics begin with, without a slash at the end; `None`: the client id.
    pub topic_prefix: Option<String>,
    /// The private key.
    pub key: Option<Selector>,
    /// The certificate in the token.
    pub certificate: Option<Selector>,
    /// The certificate in a file, with its intermediates.
    pub certificate_file: Option<PathBuf>,
    /// The CA certificates to trust; `None`: Amazon's.
    pub ca_file: Option<PathBuf>,
    /// Module, token and PIN.
    pub token: TokenArgs,
    /// Which TLS versions are offered.
    pub tls_versions: TlsVersions,
}

impl DeviceSettings {
    /// The endpoint.
    ///
    /// # Errors
    /// None was given.
    pub fn endpoint(&self) -> anyhow::Result<&str> {
        self.endpoint.as_deref().context("no endpoint: --endpoint HOST, or --config FILE")
    }

    /// The authorities that are trusted.
    ///
    /// # Errors
    /// The CA file cannot be used.
    pub fn roots(&self) -> anyhow::Result<RootCertStore> {
        let file = self.ca_file.as_deref();
        Ok(file.map_or_else(|| Ok(aws_iot_mqtt::roots::amazon()), roots_from_pem_file)?)
    }

    /// The MQTT client id with that certificate: the one that was given, or one that is made from the certificate.
    pub fn client_id_of(&self, certificate: &Certificate) -> String {
        self.client_id.clone().unwrap_or_else(|| format!("se050-{:.16}", certificate.fingerprint()))
    }

    /// The device with that key and its certificate.
    ///
    /// # Errors
    /// No endpoint was given; the CA file cannot be used; the certificate does not belong to the key.
    pub fn device(self, key: Key, certificate: Certificate) -> anyhow::Result<Device> {
        let identity = ClientIdentity::new(key, &certificate)?;
        let tls =
            ClientConfigBuilder::new(&identity, self.roots()?).tls_versions(self.tls_versions).build()?;
        let endpoint = self.endpoint()?.to_owned();
        let client_id = self.client_id_of(&certificate);
        Ok(Device {
            endpoint,
            port: self.port,
            topic_prefix: self.topic_prefix.unwrap_or_else(|| client_id.clone()),
            client_id,
            certificate,
            identity,
            tls: Arc::new(tls),
        })
    }
}

fn read(config: &Path) -> anyhow::Result<DeviceConfig> {
    DeviceConfig::from_file(config).with_context(|| format!("--config {}", config.display()))
}
