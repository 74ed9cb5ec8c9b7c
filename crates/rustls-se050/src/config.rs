//! The TLS client configuration.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use crate::scheme::avoids_tls13;
use crate::{ClientIdentity, Error, default_provider};

static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
static ONLY_TLS12: [&SupportedProtocolVersion; 1] = [&TLS12];
static ONLY_TLS13: [&SupportedProtocolVersion; 1] = [&TLS13];

/// Which TLS versions a client offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TlsVersions {
    /// TLS 1.3 and 1.2, but 1.2 alone where TLS 1.3 would wear the chip: with an RSA key on NXP's module up to 4.2, which takes
    /// 50 APDUs and two writes to the chip's memory for the RSA-PSS signature that TLS 1.3 asks for.
    #[default]
    Auto,
    /// TLS 1.3 and 1.2.
    Both,
    /// TLS 1.2 alone.
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

/// A TLS client that trusts `roots` and identifies itself with the key in the chip: TLS versions by [`TlsVersions::Auto`],
/// cryptography by [`default_provider`].
///
/// # Errors
/// As [`ClientConfigBuilder::build`].
pub fn client_config(identity: &ClientIdentity, roots: RootCertStore) -> Result<ClientConfig, Error> {
    ClientConfigBuilder::new(identity, roots).build()
}

/// Settings of a TLS client configuration. There is no way to switch the server's verification off.
#[derive(Debug, Clone)]
pub struct ClientConfigBuilder {
    identity: ClientIdentity,
    roots: RootCertStore,
    versions: TlsVersions,
    provider: Option<Arc<CryptoProvider>>,
}

impl ClientConfigBuilder {
    /// For that identity, trusting those roots.
    pub fn new(identity: &ClientIdentity, roots: RootCertStore) -> Self {
        Self { identity: identity.clone(), roots, versions: TlsVersions::Auto, provider: None }
    }

    /// Which TLS versions are offered. Default [`TlsVersions::Auto`].
    #[must_use]
    pub fn tls_versions(mut self, versions: TlsVersions) -> Self {
        self.versions = versions;
        self
    }

    /// Who does the cryptography that is not the chip's, and which cipher suites are offered. Default [`default_provider`].
    #[must_use]
    pub fn crypto_provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// The configuration. Sessions are resumed where the server takes part, which costs no signature.
    ///
    /// # Errors
    /// [`Error::NoCryptoProvider`]; [`Error::Tls`] when the TLS library refuses the set-up.
    pub fn build(self) -> Result<ClientConfig, Error> {
        // Given explicitly: an application may bring a second crypto provider, and then rustls knows no default.
        let provider = self.provider.map_or_else(default_provider, Ok)?;
        let versions = offered(self.versions, &self.identity);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|source| Error::Tls { what: "the TLS versions", source })?;
        Ok(builder.with_root_certificates(self.roots).with_client_cert_resolver(Arc::new(self.identity)))
    }
}

/// The versions to offer. Says so, once a configuration, where `Auto` leaves TLS 1.3 out.
fn offered(versions: TlsVersions, identity: &ClientIdentity) -> &'static [&'static SupportedProtocolVersion] {
    let key = identity.key();
    match versions {
        TlsVersions::Auto if avoids_tls13(key) => {
            let (major, minor) = key.token_info().firmware_version;
            tracing::info!(
                key = %key.selector(),
                module = format!("{major}.{minor}"),
                "TLS 1.2 only: on this module an RSA-PSS signature, which TLS 1.3 needs, costs 50 APDUs and wears the chip"
            );
            &ONLY_TLS12
        }
        TlsVersions::Auto | TlsVersions::Both => &BOTH,
        TlsVersions::Tls12 => &ONLY_TLS12,
        TlsVersions::Tls13 => &ONLY_TLS13,
    }
}
