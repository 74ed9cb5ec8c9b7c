//! The server's certificate: verified as always, and remembered, so that its issuer can be named.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aws_iot_mqtt::rustls::client::WebPkiServerVerifier;
use aws_iot_mqtt::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use aws_iot_mqtt::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use aws_iot_mqtt::rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use se050_key::Certificate;

/// What the server showed.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// Who signed the last certificate of its chain: the authority, or one that it certified.
    pub(super) issuer: String,
    /// When it was verified.
    pub(super) at: Instant,
}

/// Verifies like rustls' own verifier, which does the work.
#[derive(Debug)]
pub(super) struct Recorder {
    verifier: Arc<WebPkiServerVerifier>,
    shown: Mutex<Option<Shown>>,
}

impl Recorder {
    /// The configuration with this verifier, for the same roots.
    pub(super) fn added_to(
        tls: &ClientConfig,
        roots: RootCertStore,
    ) -> anyhow::Result<(Arc<Self>, ClientConfig)> {
        let provider = Arc::clone(tls.crypto_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        let recorder = Arc::new(Self { verifier, shown: Mutex::new(None) });
        let mut tls = tls.clone();
        tls.dangerous().set_certificate_verifier(Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>);
        Ok((recorder, tls))
    }

    pub(super) fn shown(&self) -> Option<Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let last = intermediates.last().unwrap_or(end_entity);
        let issuer = Certificate::from_bytes(last, "the server")
            .map_or_else(|_| "an issuer that cannot be read".to_owned(), |last| last.issuer().to_owned());
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Shown { issuer, at: Instant::now() });
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
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
