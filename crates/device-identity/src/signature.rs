use p521::ecdsa::signature::hazmat::PrehashVerifier as _;
use p521::ecdsa::{DerSignature, VerifyingKey};
use ring::digest;
use ring::signature::{UnparsedPublicKey, VerificationAlgorithm};

/// How a signature is verified.
#[derive(Clone, Copy)]
pub(crate) enum Verification {
    Ring(&'static dyn VerificationAlgorithm),
    /// ECDSA on P-521, which ring does not have, over a digest of this kind.
    P521(&'static digest::Algorithm),
}

impl Verification {
    /// Whether the private key of `public_key`, as it stands in a certificate, signed the message. ECDSA signatures are in
    /// DER.
    pub(crate) fn holds(self, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ring(algorithm) => {
                UnparsedPublicKey::new(algorithm, public_key).verify(message, signature).is_ok()
            }
            Self::P521(hash) => {
                let digest = digest::digest(hash, message);
                let parsed = VerifyingKey::from_sec1_bytes(public_key)
                    .ok()
                    .zip(DerSignature::try_from(signature).ok());
                parsed.is_some_and(|(key, signature)| key.verify_prehash(digest.as_ref(), &signature).is_ok())
            }
        }
    }
}
