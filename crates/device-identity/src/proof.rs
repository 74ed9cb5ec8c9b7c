use std::fmt;
use std::time::SystemTime;

use ring::{digest, signature};

use crate::certificate::DeviceCertificate;
use crate::key::KeyKind;
use crate::signature::Verification;
use crate::statement::{Statement, Subject};

/// A statement, signed by the chip's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    pub(crate) statement: Statement,
    pub(crate) scheme: ProofScheme,
    pub(crate) signature: Vec<u8>,
}

/// How a proof is signed, by the names of TLS 1.3 (RFC 8446, section 4.2.3). One for each kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProofScheme {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaPkcs1Sha256,
    /// ECDSA on P-256 with SHA-256, the signature in DER.
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384, the signature in DER.
    EcdsaP384Sha384,
    /// ECDSA on P-521 with SHA-512, the signature in DER.
    EcdsaP521Sha512,
}

impl Proof {
    /// The statement with what the chip signed of it ([`Statement::to_bytes`]).
    pub fn new(statement: Statement, scheme: ProofScheme, signature: Vec<u8>) -> Self {
        Self { statement, scheme, signature }
    }

    /// Which device it says it is.
    pub fn subject(&self) -> &Subject {
        &self.statement.subject
    }

    /// How it is signed.
    pub fn scheme(&self) -> ProofScheme {
        self.scheme
    }

    /// The operator's nonce, if there was one.
    pub fn nonce(&self) -> Option<&str> {
        self.statement.nonce.as_deref()
    }

    /// When the device signed, by the device's own clock.
    pub fn time(&self) -> SystemTime {
        self.statement.time
    }

    /// Whether the private key of that certificate made the signature.
    pub fn matches(&self, certificate: &DeviceCertificate) -> bool {
        let fits = ProofScheme::for_key(certificate.key_kind()) == Some(self.scheme);
        let signed = self.statement.to_bytes(certificate);
        fits && self.scheme.verification().holds(certificate.public_key(), &signed, &self.signature)
    }
}

impl ProofScheme {
    const ALL: [Self; 4] =
        [Self::RsaPkcs1Sha256, Self::EcdsaP256Sha256, Self::EcdsaP384Sha384, Self::EcdsaP521Sha512];

    /// The scheme for that kind of key, if proofs can be made with it.
    pub fn for_key(kind: KeyKind) -> Option<Self> {
        match kind {
            KeyKind::Rsa { .. } => Some(Self::RsaPkcs1Sha256),
            KeyKind::EcP256 => Some(Self::EcdsaP256Sha256),
            KeyKind::EcP384 => Some(Self::EcdsaP384Sha384),
            KeyKind::EcP521 => Some(Self::EcdsaP521Sha512),
            KeyKind::Other => None,
        }
    }

    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::RsaPkcs1Sha256 => "rsa_pkcs1_sha256",
            Self::EcdsaP256Sha256 => "ecdsa_secp256r1_sha256",
            Self::EcdsaP384Sha384 => "ecdsa_secp384r1_sha384",
            Self::EcdsaP521Sha512 => "ecdsa_secp521r1_sha512",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == name)
    }

    fn verification(self) -> Verification {
        match self {
            Self::RsaPkcs1Sha256 => Verification::Ring(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::EcdsaP256Sha256 => Verification::Ring(&signature::ECDSA_P256_SHA256_ASN1),
            Self::EcdsaP384Sha384 => Verification::Ring(&signature::ECDSA_P384_SHA384_ASN1),
            Self::EcdsaP521Sha512 => Verification::P521(&digest::SHA512),
        }
    }
}

impl fmt::Display for ProofScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
