//! Who signed a certificate: from the device's up to one that the operator trusts.
//!
//! By hand, since rustls-webpki refuses X.509 v1 certificates and has no P-521 with ring; AWS IoT takes both.

use std::time::SystemTime;

use der::asn1::ObjectIdentifier;
use ring::{digest, signature};

use crate::certificate::DeviceCertificate;
use crate::key::KeyKind;
use crate::signature::Verification;
use crate::time;

/// More issuers above each other than any maker has; it only bounds a file that was made to keep us busy.
const LONGEST: usize = 5;

/// Signature algorithms that AWS IoT takes, by the object identifiers of RFC 8017, RFC 5758.
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
/// RSASSA-PSS: the hash stands in its parameters.
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");

const STRONG: [ObjectIdentifier; 6] =
    [RSA_SHA256, RSA_SHA384, RSA_SHA512, ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512];

/// Signature algorithms that are told by name, because they are met.
const WEAK: [(&str, &str); 4] = [
    ("1.2.840.113549.1.1.5", "SHA-1 with RSA"),
    ("1.2.840.10045.4.1", "SHA-1 with ECDSA"),
    ("1.2.840.113549.1.1.4", "MD5 with RSA"),
    ("1.2.840.113549.1.1.14", "SHA-224 with RSA"),
];

/// The name of the certificate's signature algorithm where it is not SHA-256 or better with RSA or ECDSA.
pub(crate) fn weak_signature(certificate: &DeviceCertificate) -> Option<String> {
    let oid = certificate.parsed.signature_algorithm().oid;
    if STRONG.contains(&oid) {
        return None;
    }
    if oid == RSA_PSS {
        return Some("RSASSA-PSS, which AWS IoT does not list for client certificates".to_owned());
    }
    let oid = oid.to_string();
    Some(WEAK.iter().find(|(weak, _)| *weak == oid).map_or(oid, |(_, name)| (*name).to_owned()))
}

/// The name of the trusted authority below which the certificate was issued, possibly through `intermediates`. Every
/// certificate above the device's has to be valid now.
pub(crate) fn verify(
    certificate: &DeviceCertificate,
    intermediates: &[DeviceCertificate],
    trusted: &[DeviceCertificate],
    now: SystemTime,
) -> Result<String, String> {
    let mut current = certificate;
    let mut outdated = None;
    for below in 0..LONGEST {
        let mut usable = |issuer: &&DeviceCertificate| {
            let issued = issued(issuer, current);
            if issued && let Some(reason) = not_valid(issuer, now) {
                outdated = Some(reason);
                return false;
            }
            issued
        };
        if let Some(issuer) = trusted.iter().find(&mut usable) {
            return Ok(issuer.subject());
        }
        // Only a certificate that may issue others counts: otherwise any chip could vouch for any key.
        let next = intermediates
            .iter()
            .filter(|issuer| *issuer != current && issuer.may_issue(below))
            .find(&mut usable);
        match next {
            Some(issuer) => current = issuer,
            None => break,
        }
    }
    Err(outdated.unwrap_or_else(|| format!("no given authority signed for the issuer {}", current.issuer())))
}

fn not_valid(issuer: &DeviceCertificate, now: SystemTime) -> Option<String> {
    let (from, until) = issuer.validity();
    if now > until {
        return Some(format!("the authority {} has expired on {}", issuer.subject(), time::to_text(until)));
    }
    (now < from)
        .then(|| format!("the authority {} is valid only from {}", issuer.subject(), time::to_text(from)))
}

fn issued(issuer: &DeviceCertificate, certificate: &DeviceCertificate) -> bool {
    let named = issuer.parsed.tbs_certificate().subject() == certificate.parsed.tbs_certificate().issuer();
    named && signed(issuer, certificate).unwrap_or(false)
}

fn signed(issuer: &DeviceCertificate, certificate: &DeviceCertificate) -> Option<bool> {
    let parsed = &certificate.parsed;
    let oid = parsed.signature_algorithm().oid;
    let verification = match (oid, issuer.key_kind()) {
        (RSA_SHA256, KeyKind::Rsa { .. }) => Verification::Ring(&signature::RSA_PKCS1_2048_8192_SHA256),
        (RSA_SHA384, KeyKind::Rsa { .. }) => Verification::Ring(&signature::RSA_PKCS1_2048_8192_SHA384),
        (RSA_SHA512, KeyKind::Rsa { .. }) => Verification::Ring(&signature::RSA_PKCS1_2048_8192_SHA512),
        (ECDSA_SHA256, KeyKind::EcP256) => Verification::Ring(&signature::ECDSA_P256_SHA256_ASN1),
        (ECDSA_SHA384, KeyKind::EcP256) => Verification::Ring(&signature::ECDSA_P256_SHA384_ASN1),
        (ECDSA_SHA256, KeyKind::EcP384) => Verification::Ring(&signature::ECDSA_P384_SHA256_ASN1),
        (ECDSA_SHA384, KeyKind::EcP384) => Verification::Ring(&signature::ECDSA_P384_SHA384_ASN1),
        (ECDSA_SHA384, KeyKind::EcP521) => Verification::P521(&digest::SHA384),
        (ECDSA_SHA512, KeyKind::EcP521) => Verification::P521(&digest::SHA512),
        _ => return None,
    };
    Some(verification.holds(issuer.public_key(), certificate.signed_bytes()?, parsed.signature().as_bytes()?))
}
