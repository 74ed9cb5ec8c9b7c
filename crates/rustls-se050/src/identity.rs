//! Key and certificate as one client identity.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use se050_key::{Certificate, Key};

use crate::Error;
use crate::signer::ChipKey;

/// A TLS client identity whose private key stays in the chip.
#[derive(Debug, Clone)]
pub struct ClientIdentity(Arc<CertifiedKey>);

impl ClientIdentity {
    /// Joins the key and its certificate. AWS IoT Core knows the device's certificate itself, so no chain is needed.
    ///
    /// # Errors
    /// [`Error::Identity`] when the certificate was not issued for the key.
    pub fn new(key: Key, certificate: &Certificate) -> Result<Self, Error> {
        key.check_certificate(certificate).map_err(Error::Identity)?;
        let chain = vec![CertificateDer::from(certificate.as_der().to_vec())];
        let certified = CertifiedKey::new(chain, Arc::new(ChipKey(key)));
        // What the handshake would trip over is found here.
        certified.keys_match().map_err(|source| Error::Tls { what: "the client identity", source })?;
        Ok(Self(Arc::new(certified)))
    }

    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0)
    }
}
