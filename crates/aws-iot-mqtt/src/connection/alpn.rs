//! ALPN: on port 443, it asks the server for MQTT.

use std::sync::Arc;

use rustls::ClientConfig;

/// The port that most firewalls allow. AWS IoT Core serves HTTP and MQTT there, and ALPN selects the protocol (AWS IoT Core
/// developer guide, "Device communication protocols").
const HTTPS_PORT: u16 = 443;
/// MQTT with a client certificate on port 443 (same page).
const ALPN: &[u8] = b"x-amzn-mqtt-ca";

pub(crate) fn with_alpn(tls: Arc<ClientConfig>, port: u16) -> Arc<ClientConfig> {
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
