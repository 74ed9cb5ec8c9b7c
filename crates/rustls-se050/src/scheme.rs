//! TLS signature schemes and the key's own.

use rustls::SignatureScheme;
use se050_key::{Key, KeyKind, Scheme, TokenInfo};

const PKCS1: [(SignatureScheme, Scheme); 3] = [
    (SignatureScheme::RSA_PKCS1_SHA256, Scheme::RsaPkcs1Sha256),
    (SignatureScheme::RSA_PKCS1_SHA384, Scheme::RsaPkcs1Sha384),
    (SignatureScheme::RSA_PKCS1_SHA512, Scheme::RsaPkcs1Sha512),
];

const PSS: [(SignatureScheme, Scheme); 3] = [
    (SignatureScheme::RSA_PSS_SHA256, Scheme::RsaPssSha256),
    (SignatureScheme::RSA_PSS_SHA384, Scheme::RsaPssSha384),
    (SignatureScheme::RSA_PSS_SHA512, Scheme::RsaPssSha512),
];

/// One scheme for each curve: TLS 1.3 ties the hash to it (RFC 8446, section 4.2.3).
const ECDSA: [(SignatureScheme, Scheme); 2] = [
    (SignatureScheme::ECDSA_NISTP256_SHA256, Scheme::EcdsaP256Sha256),
    (SignatureScheme::ECDSA_NISTP384_SHA384, Scheme::EcdsaP384Sha384),
];

/// What the key can do, in our order of preference and not the server's.
///
/// TLS 1.3 knows only PSS for RSA, so the order counts for TLS 1.2: the cheaper one on this chip comes first.
pub(crate) fn preference(kind: KeyKind, pss_is_costly: bool) -> Vec<(SignatureScheme, Scheme)> {
    let rsa = if pss_is_costly { [PKCS1, PSS] } else { [PSS, PKCS1] };
    rsa.concat().into_iter().chain(ECDSA).filter(|(_, ours)| ours.fits(kind)).collect()
}

/// Whether an RSA-PSS signature wears the chip of that token.
pub(crate) fn pss_is_costly(token: &TokenInfo) -> bool {
    token.rsa_pss_is_costly()
}

/// Whether [`TlsVersions::Auto`](crate::TlsVersions::Auto) offers TLS 1.2 alone for that key.
pub(crate) fn avoids_tls13(key: &Key) -> bool {
    matches!(key.public_key().kind(), KeyKind::Rsa { .. }) && pss_is_costly(key.token_info())
}

#[cfg(test)]
mod tests {
    use super::*;
    use SignatureScheme as S;

    const RSA: KeyKind = KeyKind::Rsa { bits: 2048 };

    #[test]
    fn the_cheaper_padding_comes_first_and_a_curve_has_one_scheme() {
        let cases: [(&str, KeyKind, bool, &[S]); 4] = [
            (
                "RSA, costly PSS",
                RSA,
                true,
                &[
                    S::RSA_PKCS1_SHA256,
                    S::RSA_PKCS1_SHA384,
                    S::RSA_PKCS1_SHA512,
                    S::RSA_PSS_SHA256,
                    S::RSA_PSS_SHA384,
                    S::RSA_PSS_SHA512,
                ],
            ),
            (
                "RSA, cheap PSS",
                RSA,
                false,
                &[
                    S::RSA_PSS_SHA256,
                    S::RSA_PSS_SHA384,
                    S::RSA_PSS_SHA512,
                    S::RSA_PKCS1_SHA256,
                    S::RSA_PKCS1_SHA384,
                    S::RSA_PKCS1_SHA512,
                ],
            ),
            ("P-256", KeyKind::EcP256, true, &[S::ECDSA_NISTP256_SHA256]),
            ("P-384", KeyKind::EcP384, false, &[S::ECDSA_NISTP384_SHA384]),
        ];
        for (name, kind, costly, expected) in cases {
            let schemes: Vec<_> = preference(kind, costly).into_iter().map(|(tls, _)| tls).collect();
            assert_eq!(schemes, expected, "{name}");
        }
    }
}
