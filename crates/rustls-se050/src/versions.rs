//! Which TLS versions are offered.

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use se050_key::{Key, KeyKind};

use crate::scheme::pss_is_costly;

static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
static ONLY_TLS12: [&SupportedProtocolVersion; 1] = [&TLS12];
static ONLY_TLS13: [&SupportedProtocolVersion; 1] = [&TLS13];

/// Which TLS versions a client offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TlsVersions {
    /// TLS 1.3 and 1.2, but 1.2 alone where TLS 1.3 would wear the chip: with an RSA key on NXP's module up to 4.2, which takes
    /// 50 APDUs and two writes to the chip's memory for the RSA-PSS signature that TLS 1.3 asks for.
    #[default]
    Auto,
    /// TLS 1.3 and 1.2.
    Both,
    /// TLS 1.2 alone.
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

impl TlsVersions {
    /// The versions for that key. Says so, once a configuration, where `Auto` leaves TLS 1.3 out.
    pub(crate) fn for_key(self, key: &Key) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Auto if auto_avoids_tls13(key) => {
                let (major, minor) = key.token_info().firmware_version;
                tracing::info!(
                    key = %key.selector(),
                    module = format!("{major}.{minor}"),
                    "TLS 1.2 only: on this module an RSA-PSS signature, which TLS 1.3 needs, costs 50 APDUs and wears the chip"
                );
                &ONLY_TLS12
            }
            Self::Auto | Self::Both => &BOTH,
            Self::Tls12 => &ONLY_TLS12,
            Self::Tls13 => &ONLY_TLS13,
        }
    }
}

/// Whether [`TlsVersions::Auto`] offers TLS 1.2 alone for that key.
pub(crate) fn auto_avoids_tls13(key: &Key) -> bool {
    matches!(key.public_key().kind(), KeyKind::Rsa { .. }) && pss_is_costly(key.token_info())
}
