//! A device that is ready to connect.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use aws_iot_mqtt::{Builder, Client};
use device_identity::DeviceConfig;
use rustls_se050::rustls::ClientConfig;
use rustls_se050::{ClientConfigBuilder, ClientIdentity, Explanation, TlsVersions, roots_from_pem_file};
use se050_key::{Certificate, Selector};

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

    /// A client for this device, not connected yet: endpoint, port, client id and TLS are set, and failures of the chip are
    /// told apart as [`verdict`] says.
    pub fn client(&self) -> Builder {
        Client::builder(&self.endpoint, &self.client_id, Arc::clone(&self.tls))
            .port(self.port)
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
        let config = self.config.as_deref().map(read).transpose()?;
        let config = config.as_ref();
        let endpoint = self.endpoint.or_else(|| Some(config?.endpoint.clone()));
        let endpoint = endpoint.context("no endpoint: --endpoint HOST, or --config FILE")?;
        // A certificate or module that was named for one key says nothing of another.
        let key_config = config.map(|config| &config.key).filter(|_| self.key.is_none());
        let key = match (self.key, key_config) {
            (Some(key), _) => key,
            (None, Some(config)) => config.label.parse()?,
            (None, None) => anyhow::bail!("no key: --key-label LABEL, or --config FILE"),
        };
        let certificate = match (self.certificate, key_config.and_then(|key| key.certificate.as_ref())) {
            (None, Some(label)) if self.certificate_file.is_none() => Some(label.parse()?),
            (given, _) => given,
        };
        let mut token = self.token;
        let names_module = key.uri().is_some_and(|uri| uri.module_path().is_some());
        if token.pkcs11_lib.is_none() && (key_config.is_some() || !names_module) {
            token.pkcs11_lib = config.and_then(|config| config.key.pkcs11_lib.as_ref()).map(PathBuf::from);
        }
        let file = self.certificate_file.as_deref();
        let opened = token.open(&key, certificate.as_ref(), file, NO_CERTIFICATE)?;
        let KeyAndCertificate { key, certificate, .. } = opened;
        let identity = ClientIdentity::new(key, &certificate)?;
        let ca_file = self.ca_file.or_else(|| config?.ca_file.as_ref().map(PathBuf::from));
        let roots = ca_file.map_or_else(|| Ok(aws_iot_mqtt::roots::amazon()), roots_from_pem_file)?;
        let tls = ClientConfigBuilder::new(&identity, roots).tls_versions(self.tls_versions).build()?;
        let client_id = self.client_id.or_else(|| Some(config?.client_id.clone()));
        let client_id = client_id.unwrap_or_else(|| format!("se050-{:.16}", certificate.fingerprint()));
        Ok(Device {
            endpoint,
            port: self.port.or(config.map(|config| config.port)).unwrap_or(MQTT_PORT),
            topic_prefix: config.map_or_else(|| client_id.clone(), |config| config.topic_prefix.clone()),
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
