//! TLS signature schemes and the key's own.

use rustls::SignatureScheme;
use se050_key::{KeyKind, Scheme};

/// Our order of preference, not the server's.
///
/// PKCS#1 v1.5 before PSS: on NXP's module up to 4.2 (the one of an Armadillo) a PSS signature costs 50 APDUs and two
/// writes to the chip's memory, PKCS#1 v1.5 seven and none. TLS 1.3 knows only PSS for RSA, so the order counts for TLS 1.2.
const PREFERENCE: [(SignatureScheme, Scheme); 8] = [
    (SignatureScheme::RSA_PKCS1_SHA256, Scheme::RsaPkcs1Sha256),
    (SignatureScheme::RSA_PKCS1_SHA384, Scheme::RsaPkcs1Sha384),
    (SignatureScheme::RSA_PKCS1_SHA512, Scheme::RsaPkcs1Sha512),
    (SignatureScheme::RSA_PSS_SHA256, Scheme::RsaPssSha256),
    (SignatureScheme::RSA_PSS_SHA384, Scheme::RsaPssSha384),
    (SignatureScheme::RSA_PSS_SHA512, Scheme::RsaPssSha512),
    (SignatureScheme::ECDSA_NISTP256_SHA256, Scheme::EcdsaP256Sha256),
    (SignatureScheme::ECDSA_NISTP384_SHA384, Scheme::EcdsaP384Sha384),
];

/// The scheme that we like best among those that the server takes and the key can do.
pub(crate) fn choose(kind: KeyKind, offered: &[SignatureScheme]) -> Option<(SignatureScheme, Scheme)> {
    PREFERENCE.into_iter().find(|(tls, ours)| ours.fits(kind) && offered.contains(tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RSA: KeyKind = KeyKind::Rsa { bits: 2048 };

    #[test]
    fn the_order_is_ours_and_the_key_has_to_fit() {
        use SignatureScheme as S;
        let cases: [(&str, KeyKind, &[S], Option<S>); 5] = [
            (
                "a TLS 1.2 server that lists PSS first",
                RSA,
                &[S::RSA_PSS_SHA256, S::RSA_PKCS1_SHA512, S::RSA_PKCS1_SHA256],
                Some(S::RSA_PKCS1_SHA256),
            ),
            (
                "a TLS 1.3 server",
                RSA,
                &[S::ECDSA_NISTP256_SHA256, S::RSA_PSS_SHA512, S::RSA_PSS_SHA256],
                Some(S::RSA_PSS_SHA256),
            ),
            (
                "a P-256 key",
                KeyKind::EcP256,
                &[S::RSA_PSS_SHA256, S::ECDSA_NISTP384_SHA384, S::ECDSA_NISTP256_SHA256],
                Some(S::ECDSA_NISTP256_SHA256),
            ),
            ("a server for other keys", RSA, &[S::ED25519, S::ECDSA_NISTP256_SHA256], None),
            ("a server that takes nothing", RSA, &[], None),
        ];
        for (name, kind, offered, expected) in cases {
            assert_eq!(choose(kind, offered).map(|(tls, _)| tls), expected, "{name}");
        }
    }
}
