//! What a connection is made from.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::connection::{Settings, start};
use crate::{Client, Error, Limits};

/// MQTT with a client certificate (AWS IoT Core developer guide, "Device communication protocols").
const MQTT_PORT: u16 = 8883;
/// The port that firewalls let through; there, ALPN tells AWS IoT Core what is meant (same page).
const HTTPS_PORT: u16 = 443;
/// MQTT with a client certificate on port 443 (same page).
const ALPN: &[u8] = b"x-amzn-mqtt-ca";
/// Short enough for the address translation of mobile networks, which forgets silent connections after minutes.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Long enough for a chip that takes some seconds to sign, over a slow line.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Settings of a [`Client`] that is not connected yet.
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `connect`"]
pub struct Builder {
    endpoint: String,
    client_id: String,
    tls: Arc<ClientConfig>,
    port: u16,
    keep_alive: Duration,
    connect_timeout: Duration,
    limits: Limits,
}

impl Builder {
    pub(crate) fn new(endpoint: &str, client_id: &str, tls: Arc<ClientConfig>) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            client_id: client_id.to_owned(),
            tls,
            port: MQTT_PORT,
            keep_alive: KEEP_ALIVE,
            connect_timeout: CONNECT_TIMEOUT,
            limits: Limits::aws_iot_core(),
        }
    }

    /// The server's port: 8883 unless said otherwise. On 443, AWS IoT Core is told by ALPN that MQTT is meant
    /// (`x-amzn-mqtt-ca`), unless the TLS configuration names protocols of its own.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// How long the connection may be silent before the server is asked whether it is still there: 60 s unless said
    /// otherwise, in whole seconds.
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = interval;
        self
    }

    /// How long [`connect`](Self::connect) may take, from the name's resolution to CONNACK: 30 s unless said otherwise.
    ///
    /// It holds even while the key does not answer. A signature that is under way cannot be called back, though: its
    /// thread ends when the key lets it go.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// What the server takes: [`Limits::aws_iot_core`] unless said otherwise.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Connects, on a thread that then belongs to the session.
    ///
    /// # Errors
    /// When a limit is exceeded, and in each of the ways in which a connection may fail: see [`Error`].
    pub async fn connect(self) -> Result<Client, Error> {
        self.limits.check_client_id(&self.client_id)?;
        let keep_alive = self.limits.check_keep_alive(self.keep_alive)?;
        let invalid = || Error::InvalidEndpoint { endpoint: self.endpoint.clone() };
        // Also what the server is told by SNI: AWS IoT Core finds the account by it.
        let server_name = ServerName::try_from(self.endpoint.clone()).map_err(|_| invalid())?;
        start(Settings {
            tls: with_alpn(self.tls, self.port),
            endpoint: self.endpoint,
            port: self.port,
            server_name,
            client_id: self.client_id,
            keep_alive,
            connect_timeout: self.connect_timeout,
            limits: Arc::new(self.limits),
        })
        .await
    }
}

fn with_alpn(tls: Arc<ClientConfig>, port: u16) -> Arc<ClientConfig> {
    if port != HTTPS_PORT || !tls.alpn_protocols.is_empty() {
        return tls;
    }
    let mut tls = Arc::unwrap_or_clone(tls);
    tls.alpn_protocols = vec![ALPN.to_vec()];
    Arc::new(tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration() -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(crate::roots::amazon()).with_no_client_auth())
    }

    #[test]
    fn alpn_is_set_on_443_only_on_a_copy_and_never_over_the_callers_own() {
        let given = configuration();
        assert_eq!(with_alpn(Arc::clone(&given), 443).alpn_protocols, [ALPN.to_vec()]);
        assert!(given.alpn_protocols.is_empty());
        assert!(with_alpn(given, 8883).alpn_protocols.is_empty());

        let mut own = ClientConfig::clone(&configuration());
        own.alpn_protocols = vec![b"mqtt".to_vec()];
        assert_eq!(with_alpn(Arc::new(own), 443).alpn_protocols, [b"mqtt".to_vec()]);
    }
}
