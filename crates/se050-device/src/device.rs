//! A device that is ready to connect.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_iot_mqtt::{Builder, Client, Proxy};
use rustls_se050::rustls::{ClientConfig, RootCertStore};
use rustls_se050::{ClientConfigBuilder, ClientIdentity, Explanation, TlsVersions, roots_from_pem_file};
use se050_key::{Certificate, Key, Selector};

use crate::options::MissingOption;
use crate::{DeviceOptions, TokenArgs, verdict};

pub(crate) const NO_CERTIFICATE: &str = if cfg!(feature = "clap") {
    "the device's certificate is needed: --cert FILE, or --cert-label LABEL for one in the token"
} else {
    "the device's certificate is needed: name it in the device configuration (key.certificate)"
};

/// A device that is ready to connect: key and certificate are found, belong together, and make a TLS configuration.
#[derive(Debug)]
pub struct Device {
    endpoint: String,
    port: u16,
    client_id: String,
    thing: String,
    topic_prefix: String,
    certificate: Certificate,
    certificate_file: Option<PathBuf>,
    identity: ClientIdentity,
    tls: Arc<ClientConfig>,
    proxy: Option<Proxy>,
    keep_alive: Option<Duration>,
}

impl Device {
    /// The device that a configuration file describes.
    ///
    /// # Errors
    /// As [`DeviceOptions::open`].
    pub fn from_config(file: impl Into<PathBuf>) -> anyhow::Result<Self> {
        DeviceOptions { config: Some(file.into()), ..DeviceOptions::default() }.open()
    }

    /// A client for this device, not connected yet: endpoint, port, client id, TLS, proxy and keep-alive are set, and failures of
    /// the chip are told apart as [`verdict`] says.
    pub fn client(&self) -> Builder {
        self.client_with(Arc::clone(&self.tls))
    }

    /// The same with another TLS configuration, made from [`Self::tls`].
    pub fn client_with(&self, tls: Arc<ClientConfig>) -> Builder {
        let mut builder = Client::builder(&self.endpoint, &self.client_id, tls)
            .port(self.port)
            .classify_signer_errors(verdict);
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        match self.keep_alive {
            Some(interval) => builder.keep_alive(interval),
            None => builder,
        }
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

    /// The device's name on AWS IoT: the client id, where the configuration says nothing else.
    pub fn thing(&self) -> &str {
        &self.thing
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

    /// The file that the certificate was read from; `None`: it is in the token.
    pub fn certificate_file(&self) -> Option<&Path> {
        self.certificate_file.as_deref()
    }

    /// A request for another certificate for the same key (PKCS#10, in PEM), in the thing's name. It costs a signature in the chip, and
    /// blocks the thread meanwhile.
    ///
    /// # Errors
    /// The chip does not sign.
    pub fn certificate_request(&self) -> Result<String, se050_key::Error> {
        // A thing's name has up to 128 characters, a common name 64 (RFC 5280, appendix A.1); AWS IoT does not look at it.
        self.identity.key().certificate_request(&format!("{:.64}", self.thing))
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
    /// The device's name on AWS IoT; `None`: the client id.
    pub thing: Option<String>,
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
    /// How long the connection may be silent before the server is asked whether it is still there.
    pub keep_alive: Option<Duration>,
    /// The proxy that the program was told, which comes before the environment's.
    pub(crate) proxy: Option<Proxy>,
    /// The proxy of the device configuration, which comes after it.
    pub(crate) config_proxy: Option<Proxy>,
}

impl DeviceSettings {
    /// The endpoint.
    ///
    /// # Errors
    /// None was given.
    pub fn endpoint(&self) -> anyhow::Result<&str> {
        let missing =
            MissingOption("the endpoint is missing: --endpoint <HOST>, SE050_ENDPOINT, or --config <FILE>");
        Ok(self.endpoint.as_deref().ok_or(missing)?)
    }

    /// The private key.
    ///
    /// # Errors
    /// None was named.
    pub fn key(&self) -> anyhow::Result<&Selector> {
        let missing = MissingOption(
            "the private key is missing: --key-label <LABEL>, SE050_KEY_LABEL, or --config <FILE>",
        );
        Ok(self.key.as_ref().ok_or(missing)?)
    }

    /// The HTTP proxy to go through to that host, if any: the one that the program was told, else the one that the environment
    /// names for the host (`HTTPS_PROXY`, `NO_PROXY`), else the device configuration's.
    ///
    /// # Errors
    /// The environment's cannot be used.
    pub fn proxy_to(&self, host: &str) -> Result<Option<Proxy>, aws_iot_mqtt::Error> {
        if self.proxy.is_some() {
            return Ok(self.proxy.clone());
        }
        Ok(Proxy::from_environment(host)?.or_else(|| self.config_proxy.clone()))
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
        let proxy = self.proxy_to(&endpoint)?;
        let client_id = self.client_id_of(&certificate);
        Ok(Device {
            endpoint,
            port: self.port,
            thing: self.thing.unwrap_or_else(|| client_id.clone()),
            topic_prefix: self.topic_prefix.unwrap_or_else(|| client_id.clone()),
            client_id,
            certificate,
            certificate_file: self.certificate_file,
            identity,
            tls: Arc::new(tls),
            proxy,
            keep_alive: self.keep_alive,
        })
    }
}
