//! The TLS client configuration.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};

use crate::resolver::SingleIdentity;
use crate::{ClientIdentity, Error, TlsVersions};

/// A TLS client that trusts `roots` and identifies itself with the key in the chip: TLS versions by [`TlsVersions::Auto`], ring.
///
/// # Errors
/// [`Error::Tls`] when the TLS library refuses the set-up.
pub fn client_config(identity: &ClientIdentity, roots: RootCertStore) -> Result<ClientConfig, Error> {
    ClientConfigBuilder::new(identity, roots).build()
}

/// A TLS client configuration in the making. There is no way to switch the server's verification off.
#[derive(Debug, Clone)]
pub struct ClientConfigBuilder {
    identity: ClientIdentity,
    roots: RootCertStore,
    versions: TlsVersions,
    provider: Arc<CryptoProvider>,
}

impl ClientConfigBuilder {
    /// For that identity, trusting those roots.
    pub fn new(identity: &ClientIdentity, roots: RootCertStore) -> Self {
        Self {
            identity: identity.clone(),
            roots,
            versions: TlsVersions::Auto,
            // Given explicitly: an application may bring a second crypto provider, and then rustls knows no default.
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        }
    }

    /// Which TLS versions are offered. Default [`TlsVersions::Auto`].
    #[must_use]
    pub fn tls_versions(mut self, versions: TlsVersions) -> Self {
        self.versions = versions;
        self
    }

    /// Who does the cryptography that is not the chip's. Default ring.
    #[must_use]
    pub fn crypto_provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = provider;
        self
    }

    /// The configuration. Sessions are resumed where the server takes part, which costs no signature.
    ///
    /// # Errors
    /// [`Error::Tls`] when the TLS library refuses the set-up.
    pub fn build(self) -> Result<ClientConfig, Error> {
        let builder = ClientConfig::builder_with_provider(self.provider)
            .with_protocol_versions(self.versions.for_key(self.identity.key()))
            .map_err(|source| Error::Tls { what: "the TLS versions", source })?;
        let resolver = SingleIdentity(self.identity);
        Ok(builder.with_root_certificates(self.roots).with_client_cert_resolver(Arc::new(resolver)))
    }
}
