//! What a failed handshake means for this identity, in words.

use std::error::Error as StdError;

use rustls::{AlertDescription, PeerIncompatible};

use crate::error::find_cause;
use crate::versions::auto_avoids_tls13;
use crate::{ClientIdentity, chip_failure};

impl ClientIdentity {
    /// What a failed connection has to do with this identity, if anything: TLS version, signature schemes, issuer, chip.
    ///
    /// Takes any error of which a [`rustls::Error`] is the cause. What the server wanted is what the last server to ask
    /// wanted, so with several connections at a time it may be another's.
    pub fn explain(&self, error: &(dyn StdError + 'static)) -> Option<String> {
        let error = find_cause(error, |cause| cause.downcast_ref::<rustls::Error>())?;
        if let Some(failure) = chip_failure(error) {
            return Some(failure.to_string());
        }
        match error {
            rustls::Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            )
            | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => Some(self.explain_version()),
            rustls::Error::PeerIncompatible(
                PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon,
            ) => Some("the server takes no signature that TLS 1.3 knows".to_owned()),
            rustls::Error::AlertReceived(alert) if is_about_the_certificate(*alert) => self.explain_refusal(),
            _ => None,
        }
    }

    fn explain_version(&self) -> String {
        let auto = if auto_avoids_tls13(self.key()) {
            "; TlsVersions::Auto offers TLS 1.2 alone for this key, since TLS 1.3's RSA-PSS signatures wear the chip on this version of \
             NXP's module: for a server that speaks only TLS 1.3 take TlsVersions::Tls13, or the chip's EC key"
        } else {
            "; take TlsVersions::Both, or the version that the server speaks"
        };
        format!("the server speaks none of the TLS versions that were offered{auto}")
    }

    fn explain_refusal(&self) -> Option<String> {
        let request = self.requests().last()?;
        let ours: Vec<_> = self.chip_key().schemes.iter().map(|(tls, _)| *tls).collect();
        if !ours.iter().any(|scheme| request.schemes.contains(scheme)) {
            let kind = self.key().public_key().kind();
            return Some(format!(
                "the server takes none of the signatures that this {kind} key can make: it takes {:?}, the key makes {ours:?}",
                request.schemes
            ));
        }
        request.other_issuers.then(|| {
            "the server lists the issuers whose certificates it accepts, and this certificate's is not among them: it needs the issuer's \
             certificate among its client CAs, or the intermediate certificates with ours (ClientIdentity::with_intermediates)"
                .to_owned()
        })
    }
}

fn is_about_the_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::HandshakeFailure
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateUnknown
            | A::CertificateRequired
            | A::NoCertificate
            | A::UnknownCA
            | A::AccessDenied
            | A::DecryptError
            | A::IllegalParameter
    )
}
