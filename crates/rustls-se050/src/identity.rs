//! Key and certificate as one client identity.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use se050_key::{Certificate, Key};

use crate::Error;
use crate::signer::ChipKey;

/// A TLS client identity whose private key stays in the chip. Cheap to clone.
///
/// It is a [`ResolvesClientCert`], for whoever builds a `ClientConfig` of their own; [`client_config`](crate::client_config)
/// builds one.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    key: Arc<ChipKey>,
    certified: Arc<CertifiedKey>,
    issuer: Arc<Issuer>,
    last_request: Arc<Mutex<Option<Request>>>,
}

/// Who issued the certificate.
#[derive(Debug)]
pub(crate) struct Issuer {
    pub(crate) name: String,
    /// The distinguished name in DER, as servers list those that they accept.
    der: Vec<u8>,
}

/// What the last server to ask for a certificate wanted. It explains refusals, and decides nothing.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The signature schemes that the server takes.
    pub(crate) schemes: Vec<SignatureScheme>,
    /// The server listed issuers, and the certificate's is not among them, nor leads a chain to one.
    pub(crate) other_issuers: bool,
}

impl ClientIdentity {
    /// Joins the key and its certificate. The certificate's [`intermediates`](Certificate::intermediates) are sent with it, in
    /// their order, for a server that builds chains (RFC 8446, section 4.4.2); AWS IoT Core knows the device's certificate
    /// itself, and needs none.
    ///
    /// # Errors
    /// [`Error::Identity`] when the certificate was not issued for the key. Nothing else of it is checked: X.509 version, validity
    /// and extensions are for the server to judge.
    pub fn new(key: Key, certificate: &Certificate) -> Result<Self, Error> {
        // Fail here, not in the handshake.
        key.check_certificate(certificate).map_err(Error::Identity)?;
        let leaf = certificate.as_der().to_vec();
        let chain = std::iter::once(leaf).chain(certificate.intermediates().iter().cloned());
        let key = Arc::new(ChipKey::new(key));
        let certified = CertifiedKey::new(chain.map(CertificateDer::from).collect(), Arc::clone(&key) as _);
        let issuer = Issuer { name: certificate.issuer().to_owned(), der: certificate.issuer_der().to_vec() };
        Ok(Self {
            key,
            certified: Arc::new(certified),
            issuer: Arc::new(issuer),
            last_request: Arc::default(),
        })
    }

    /// The key in the chip.
    pub fn key(&self) -> &Key {
        &self.key.key
    }

    /// The certificate chain with the signing key (`CertifiedKey::key`), for rustls programs that put them together
    /// themselves.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    /// The schemes of the key, the best first.
    pub(crate) fn schemes(&self) -> Vec<SignatureScheme> {
        self.key.schemes.iter().map(|(tls, _)| *tls).collect()
    }

    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    pub(crate) fn sends_intermediates(&self) -> bool {
        self.certified.cert.len() > 1
    }

    pub(crate) fn last_request(&self) -> Option<Request> {
        self.last_request.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesClientCert for ClientIdentity {
    /// The certificate is presented even where its issuer is not among those that the server lists: AWS IoT Core knows devices'
    /// certificates themselves, whoever issued them, and the server's refusal says more than an empty answer's.
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let other_issuers =
            !issuers.is_empty() && !self.sends_intermediates() && !issuers.contains(&&*self.issuer.der);
        let request = Request { schemes: schemes.to_vec(), other_issuers };
        *self.last_request.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
        Some(self.certified_key())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
