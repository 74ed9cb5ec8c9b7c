//! Key and certificate as one client identity.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use se050_key::{Certificate, Key};

use crate::Error;
use crate::request::Requests;
use crate::signer::ChipKey;

/// A TLS client identity whose private key stays in the chip. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    key: Arc<ChipKey>,
    certified: Arc<CertifiedKey>,
    /// The issuer's distinguished name in DER, where no intermediate certificates lead on from it.
    issuer: Option<Arc<[u8]>>,
    requests: Arc<Requests>,
}

impl ClientIdentity {
    /// Joins the key and its certificate. AWS IoT Core knows the device's certificate itself, so it needs no chain.
    ///
    /// # Errors
    /// [`Error::Identity`] when the certificate was not issued for the key.
    pub fn new(key: Key, certificate: &Certificate) -> Result<Self, Error> {
        Self::with_intermediates(key, certificate, [])
    }

    /// Joins the key, its certificate, and the certificates between it and the server's trust anchor, for a server that builds
    /// chains. They are sent in this order (RFC 8446, section 4.4.2: each certifies the one before).
    ///
    /// # Errors
    /// As [`ClientIdentity::new`].
    pub fn with_intermediates(
        key: Key,
        certificate: &Certificate,
        intermediates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, Error> {
        key.check_certificate(certificate).map_err(Error::Identity)?;
        let leaf = CertificateDer::from(certificate.as_der().to_vec());
        let chain: Vec<_> = std::iter::once(leaf).chain(intermediates).collect();
        let issuer = (chain.len() == 1).then(|| certificate.issuer_der().into());
        let key = Arc::new(ChipKey::new(key));
        let certified = CertifiedKey::new(chain, Arc::clone(&key) as _);
        // What the handshake would trip over is found here.
        certified.keys_match().map_err(|source| Error::Tls { what: "the client identity", source })?;
        Ok(Self { key, certified: Arc::new(certified), issuer, requests: Arc::default() })
    }

    /// How many servers have asked for this identity.
    ///
    /// A server that asks for no client certificate lets the handshake through without one: where that must not be, compare the count
    /// before and after.
    pub fn requests_seen(&self) -> u64 {
        self.requests.count()
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key.key
    }

    pub(crate) fn chip_key(&self) -> &ChipKey {
        &self.key
    }

    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    /// Whether the certificate's issuer is known not to be among those.
    pub(crate) fn is_of_other_issuer_than(&self, listed: &[&[u8]]) -> bool {
        !listed.is_empty() && self.issuer.as_ref().is_some_and(|issuer| !listed.contains(&issuer.as_ref()))
    }

    pub(crate) fn requests(&self) -> &Requests {
        &self.requests
    }
}
