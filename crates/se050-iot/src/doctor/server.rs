//! Which certificate the server shows, so that its issuer can be named.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aws_iot_mqtt::rustls::pki_types::{CertificateDer, UnixTime};
use aws_iot_mqtt::rustls::{ClientConfig, RootCertStore};
use se050_key::Certificate;

use super::verifier::Verifier;

/// What the server showed.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// Who signed the last certificate of its chain: the authority, or one that it certified.
    pub(super) issuer: String,
    /// When it was verified.
    pub(super) at: Instant,
}

/// Remembers what the server showed last.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<Option<Shown>>>);

impl Recorder {
    /// The configuration with a verifier that tells this recorder, for the same roots.
    pub(super) fn added_to(tls: &ClientConfig, roots: RootCertStore) -> anyhow::Result<(Self, ClientConfig)> {
        let recorder = Self::default();
        let told = recorder.clone();
        let look =
            move |end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>], now: UnixTime| {
                told.record(intermediates.last().unwrap_or(end_entity));
                now
            };
        let verifier = Verifier::new(roots, Arc::clone(tls.crypto_provider()), look)?;
        let mut tls = tls.clone();
        tls.dangerous().set_certificate_verifier(Arc::new(verifier));
        Ok((recorder, tls))
    }

    pub(super) fn shown(&self) -> Option<Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn record(&self, last: &CertificateDer<'_>) {
        let issuer = Certificate::from_bytes(last, "the server")
            .map_or_else(|_| "an issuer that cannot be read".to_owned(), |last| last.issuer().to_owned());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Shown { issuer, at: Instant::now() });
    }
}
