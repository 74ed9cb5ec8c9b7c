//! The TLS client configuration.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};

use crate::{ClientIdentity, Error};

/// A TLS 1.2 and 1.3 client that trusts `roots` and identifies itself with the key in the chip.
///
/// # Errors
/// [`Error::Tls`] when the TLS library refuses the set-up.
pub fn client_config(identity: &ClientIdentity, roots: RootCertStore) -> Result<ClientConfig, Error> {
    // Given explicitly: an application may bring a second crypto provider, and then rustls knows no default.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|source| Error::Tls { what: "TLS 1.2 and 1.3", source })?;
    let resolver = SingleIdentity(identity.certified_key());
    Ok(builder.with_root_certificates(roots).with_client_cert_resolver(Arc::new(resolver)))
}

/// Gives every server the one identity.
#[derive(Debug)]
struct SingleIdentity(Arc<CertifiedKey>);

impl ResolvesClientCert for SingleIdentity {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
