//! Who does the cryptography that is not the chip's.

use std::sync::Arc;

use rustls::CipherSuite;
use rustls::crypto::CryptoProvider;

use crate::Error;

/// Suites of TLS 1.2 that AWS IoT Core does not list ("Transport security in AWS IoT Core"); AWS's Device Advisor warns of a
/// client that offers them.
const NOT_LISTED: [CipherSuite; 2] = [
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// The provider of the feature that is on (`ring` before `aws-lc-rs`), else the process's default; without the two
/// ChaCha20 suites of TLS 1.2, which AWS IoT Core does not list.
///
/// # Errors
/// [`Error::NoCryptoProvider`] when there is none.
pub fn default_provider() -> Result<Arc<CryptoProvider>, Error> {
    let mut provider = of_the_feature()
        .or_else(|| CryptoProvider::get_default().map(|provider| CryptoProvider::clone(provider)))
        .ok_or(Error::NoCryptoProvider)?;
    provider.cipher_suites.retain(|suite| !NOT_LISTED.contains(&suite.suite()));
    Ok(Arc::new(provider))
}

#[cfg(feature = "ring")]
fn of_the_feature() -> Option<CryptoProvider> {
    Some(rustls::crypto::ring::default_provider())
}

#[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
fn of_the_feature() -> Option<CryptoProvider> {
    Some(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
fn of_the_feature() -> Option<CryptoProvider> {
    None
}
