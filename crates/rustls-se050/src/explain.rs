//! What a failed handshake means for this identity, in words.

use std::error::Error as StdError;
use std::fmt;

use rustls::{AlertDescription as Alert, PeerIncompatible, SignatureScheme};
use se050_key::KeyKind;

use crate::error::find_cause;
use crate::scheme::avoids_tls13;
use crate::{ClientIdentity, chip_failure};

/// What a failed connection has to do with the client identity. As text it is a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explanation {
    /// The chip failed.
    Chip(String),
    /// The server speaks none of the TLS versions that were offered.
    TlsVersion {
        /// [`TlsVersions::Auto`](crate::TlsVersions::Auto) leaves TLS 1.3 out for this key, to spare the chip.
        spares_the_chip: bool,
    },
    /// The server takes none of the signatures that the key can make.
    Schemes {
        /// The key.
        kind: KeyKind,
        /// What the server takes, as far as it is known.
        server: Vec<SignatureScheme>,
        /// What the key makes.
        key: Vec<SignatureScheme>,
    },
    /// The server does not know the certificate's issuer.
    Issuer {
        /// The issuer's distinguished name.
        name: String,
        /// The server listed the issuers that it accepts, and this one is not among them.
        not_listed: bool,
        /// Intermediate certificates were sent.
        intermediates: bool,
    },
}

impl ClientIdentity {
    /// What a failed connection has to do with this identity, if anything: TLS version, signature schemes, issuer, chip.
    ///
    /// Takes any error of which a [`rustls::Error`] is the cause. What the server wanted is what the last server to ask
    /// wanted, so with several connections at a time it may be another's.
    pub fn explain(&self, error: &(dyn StdError + 'static)) -> Option<Explanation> {
        use rustls::Error as Tls;
        if let Some(failure) = chip_failure(error) {
            return Some(Explanation::Chip(failure.to_string()));
        }
        match find_cause(error, |cause| cause.downcast_ref::<Tls>())? {
            Tls::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            )
            | Tls::AlertReceived(Alert::ProtocolVersion) => {
                Some(Explanation::TlsVersion { spares_the_chip: avoids_tls13(self.key()) })
            }
            Tls::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
                Some(self.schemes_differ(self.last_request().map(|asked| asked.schemes).unwrap_or_default()))
            }
            Tls::AlertReceived(alert) if is_about_the_certificate(*alert) => self.explain_refusal(*alert),
            _ => None,
        }
    }

    fn explain_refusal(&self, alert: Alert) -> Option<Explanation> {
        let request = self.last_request();
        if let Some(request) = &request
            && !self.schemes().iter().any(|scheme| request.schemes.contains(scheme))
        {
            return Some(self.schemes_differ(request.schemes.clone()));
        }
        let not_listed = request.is_some_and(|request| request.other_issuers);
        (not_listed || alert == Alert::UnknownCA).then(|| Explanation::Issuer {
            name: self.issuer().name.clone(),
            not_listed,
            intermediates: self.sends_intermediates(),
        })
    }

    fn schemes_differ(&self, server: Vec<SignatureScheme>) -> Explanation {
        Explanation::Schemes { kind: self.key().public_key().kind(), server, key: self.schemes() }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chip(failure) => f.write_str(failure),
            Self::TlsVersion { spares_the_chip: true } => f.write_str(
                "the server speaks none of the TLS versions that were offered; TLS 1.3 may have been left out because its RSA-PSS \
                 signatures wear the chip on this version of NXP's module: for a server that speaks only TLS 1.3, choose TLS 1.3 \
                 explicitly, or use the chip's EC key",
            ),
            Self::TlsVersion { spares_the_chip: false } => f.write_str(
                "the server speaks none of the TLS versions that were offered: choose the version that it speaks",
            ),
            Self::Schemes { kind, server, key } => write!(
                f,
                "the server takes none of the signatures that this {kind} key can make: it takes {server:?}, the key makes {key:?}"
            ),
            Self::Issuer { name, not_listed, intermediates } => {
                f.write_str(if *not_listed {
                    "the server lists the issuers whose certificates it accepts, and this certificate's is not among them"
                } else {
                    "the server does not know the issuer of this certificate"
                })?;
                write!(f, " ({name}): probably the certificate is not registered there, or ")?;
                f.write_str(if *intermediates {
                    "the intermediate certificates that were sent with it do not lead to an issuer that the server knows"
                } else {
                    "the issuer's intermediate certificate is missing, which belongs behind the device's own in the certificate file"
                })
            }
        }
    }
}

fn is_about_the_certificate(alert: Alert) -> bool {
    use Alert as A;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_told_in_words_that_say_what_to_do() {
        let issuer = |not_listed, intermediates| Explanation::Issuer {
            name: "CN=maker".into(),
            not_listed,
            intermediates,
        };
        let schemes = Explanation::Schemes {
            kind: KeyKind::EcP256,
            server: vec![SignatureScheme::RSA_PSS_SHA256],
            key: vec![SignatureScheme::ECDSA_NISTP256_SHA256],
        };
        let cases: [(Explanation, &[&str]); 7] = [
            (Explanation::Chip("the chip is gone".into()), &["the chip is gone"]),
            (
                Explanation::TlsVersion { spares_the_chip: true },
                &["TLS versions", "TLS 1.3 explicitly", "EC key"],
            ),
            (Explanation::TlsVersion { spares_the_chip: false }, &["TLS versions", "choose the version"]),
            (schemes, &["none of the signatures", "EC P-256", "RSA_PSS_SHA256"]),
            (issuer(true, false), &["lists the issuers", "CN=maker", "not registered", "intermediate"]),
            (issuer(false, false), &["does not know the issuer", "not registered", "is missing"]),
            (issuer(false, true), &["not registered", "do not lead to"]),
        ];
        for (explanation, words) in cases {
            let text = explanation.to_string();
            for word in words {
                assert!(text.contains(word), "{word:?}: {text}");
            }
            // The reader is a program's user, who knows the program's flags and not this library's types.
            assert!(!text.contains("::"), "{text}");
        }
    }
}
