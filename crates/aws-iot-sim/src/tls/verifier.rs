//! The client certificate verifier: the registry instead of a chain, everything else as TLS has it.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};

use crate::registry::Registry;

/// Accepts the certificates that are registered, ACTIVE and within their validity.
///
/// That the client holds the private key is verified by the provider's algorithms: a copied certificate does not
/// get in.
#[derive(Debug)]
pub(super) struct RegistryVerifier {
    registry: Arc<Registry>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl RegistryVerifier {
    pub(super) fn new(registry: Arc<Registry>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { registry, algorithms }
    }
}

impl ClientCertVerifier for RegistryVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.registry.admit_certificate(end_entity, Duration::from_secs(now.as_secs())) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            // Sent as the alert certificate_unknown, which is what AWS IoT Core sends, whatever the reason.
            Err(refused) => {
                Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refused)))))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
