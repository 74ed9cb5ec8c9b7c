//! The server's certificate: verified by rustls' own verifier, which does the work, after a look at it.

use std::fmt;
use std::sync::Arc;

use aws_iot_mqtt::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use aws_iot_mqtt::rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use aws_iot_mqtt::rustls::crypto::CryptoProvider;
use aws_iot_mqtt::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use aws_iot_mqtt::rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

/// Verifies as rustls does. `look` sees the server's certificate and the intermediates before, and says for which time they are verified.
pub(super) struct Verifier<F> {
    verifier: Arc<WebPkiServerVerifier>,
    look: F,
}

impl<F> Verifier<F>
where
    F: Fn(&CertificateDer<'_>, &[CertificateDer<'_>], UnixTime) -> UnixTime + Send + Sync,
{
    /// # Errors
    /// There are no roots.
    pub(super) fn new(
        roots: RootCertStore,
        provider: Arc<CryptoProvider>,
        look: F,
    ) -> Result<Self, VerifierBuilderError> {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Self { verifier, look })
    }
}

impl<F> fmt::Debug for Verifier<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl<F> ServerCertVerifier for Verifier<F>
where
    F: Fn(&CertificateDer<'_>, &[CertificateDer<'_>], UnixTime) -> UnixTime + Send + Sync,
{
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let at = (self.look)(end_entity, intermediates, now);
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, at)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.verifier.root_hint_subjects()
    }
}
