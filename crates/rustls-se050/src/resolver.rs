//! Gives every server the one identity.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use crate::identity::ClientIdentity;
use crate::request::Request;

/// The one identity, whatever the server lists.
#[derive(Debug)]
pub(crate) struct SingleIdentity(pub(crate) ClientIdentity);

impl ResolvesClientCert for SingleIdentity {
    /// The certificate is presented even where its issuer is not among those that the server lists: AWS IoT Core knows devices'
    /// certificates themselves, whoever issued them, and the server's refusal says more than an empty answer's.
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let other_issuers = self.0.is_of_other_issuer_than(issuers);
        self.0.requests().record(Request { schemes: schemes.to_vec(), other_issuers });
        Some(self.0.certified_key())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
