//! The broker's TLS: a throwaway authority, SNI and ALPN rules, and a verifier that asks the registry.

mod authority;
mod verifier;

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;

pub(crate) use authority::Authority;
use verifier::RegistryVerifier;

use crate::Error;
use crate::registry::Registry;

/// The host name of the simulated endpoint. A name, because a client sends no SNI for an IP address.
pub(crate) const ENDPOINT: &str = "localhost";

/// The protocol name for MQTT with client certificates (AWS IoT developer guide, "Device communication protocols").
const ALPN: &[u8] = b"x-amzn-mqtt-ca";

/// The protocol name of HTTP/1.1, which the credential provider speaks.
const HTTP: &[u8] = b"http/1.1";

/// The TLS configurations of the broker and of the credential provider: TLS 1.2 and 1.3, a client certificate required.
pub(crate) fn server_configs(
    authority: &Authority,
    registry: Arc<Registry>,
) -> Result<[ServerConfig; 2], Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = RegistryVerifier::new(registry, provider.signature_verification_algorithms);
    let key = provider.key_provider.load_private_key(authority.server_key()).map_err(Error::tls)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::tls)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(EndpointOnly(Arc::new(CertifiedKey::new(
            authority.server_chain(),
            key,
        )))));
    // Each connection is a full handshake, as with AWS: a resumed one would pass the registry by.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok([ALPN, HTTP].map(|protocol| {
        let mut config = config.clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        config
    }))
}

/// Has a certificate only for a client that names the endpoint: certificates registered without their CA are in
/// mode SNI_ONLY, and AWS finds the account by the name.
#[derive(Debug)]
struct EndpointOnly(Arc<CertifiedKey>);

impl ResolvesServerCert for EndpointOnly {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match hello.server_name() {
            Some(name) if name.eq_ignore_ascii_case(ENDPOINT) => Some(Arc::clone(&self.0)),
            Some(name) => {
                tracing::warn!(name, "refused: SNI names another host; use the name from DescribeEndpoint");
                None
            }
            None => {
                tracing::warn!("refused: no SNI; connect to the endpoint by its name, not by its address");
                None
            }
        }
    }
}
