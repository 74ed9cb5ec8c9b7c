//! One object of the chip.

use p256::ecdsa::SigningKey;
use p256::pkcs8::DecodePrivateKey as _;
use rsa::RsaPrivateKey;

use crate::error::BoxedError;

/// What is stored under an object id. As on the chip, one id holds the key pair, private and public half.
pub(crate) enum Object {
    Rsa(Box<RsaPrivateKey>),
    Ec(Box<SigningKey>),
    /// Bytes. Whether they are a certificate is found by looking at them.
    Binary(Vec<u8>),
}

impl Object {
    /// The key pair in a PKCS#8 document.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, BoxedError> {
        if let Ok(key) = SigningKey::from_pkcs8_der(der) {
            return Ok(Self::Ec(Box::new(key)));
        }
        let key = RsaPrivateKey::from_pkcs8_der(der).map_err(|rsa| -> BoxedError {
            format!("neither an EC P-256 nor an RSA private key in PKCS#8 ({rsa})").into()
        })?;
        Ok(Self::Rsa(Box::new(key)))
    }
}
