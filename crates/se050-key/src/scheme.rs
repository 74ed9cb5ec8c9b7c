//! How a message is signed: hash, padding, and the PKCS#11 mechanism for it.

use std::fmt;

use cryptoki_sys::*;
use der::Encode as _;
use der::asn1::UintRef;
use ring::digest;
use ring::signature::*;

/// What kind of key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// RSA.
    Rsa {
        /// The length of the modulus in bits.
        bits: usize,
    },
    /// Elliptic curve P-256.
    EcP256,
    /// Elliptic curve P-384.
    EcP384,
}

/// A signature scheme, by the names of TLS 1.3 (RFC 8446, section 4.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaPkcs1Sha512,
    /// RSASSA-PSS with SHA-256, MGF1 with the same hash, the salt as long as the hash.
    RsaPssSha256,
    /// RSASSA-PSS with SHA-384, MGF1 with the same hash, the salt as long as the hash.
    RsaPssSha384,
    /// RSASSA-PSS with SHA-512, MGF1 with the same hash, the salt as long as the hash.
    RsaPssSha512,
    /// ECDSA on P-256 with SHA-256.
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaP384Sha384,
}

impl KeyKind {
    /// The scheme for what is signed outside of TLS: PKCS#1 v1.5 with SHA-256, which is cheap on each version of NXP's module, or ECDSA
    /// with the curve's hash.
    pub fn scheme(self) -> Scheme {
        match self {
            Self::Rsa { .. } => Scheme::RsaPkcs1Sha256,
            Self::EcP256 => Scheme::EcdsaP256Sha256,
            Self::EcP384 => Scheme::EcdsaP384Sha384,
        }
    }
}

impl Scheme {
    /// Whether a key of that kind can sign so.
    pub fn fits(self, kind: KeyKind) -> bool {
        match self {
            Self::EcdsaP256Sha256 => kind == KeyKind::EcP256,
            Self::EcdsaP384Sha384 => kind == KeyKind::EcP384,
            _ => matches!(kind, KeyKind::Rsa { .. }),
        }
    }

    pub(crate) fn is_ecdsa(self) -> bool {
        matches!(self, Self::EcdsaP256Sha256 | Self::EcdsaP384Sha384)
    }

    /// The mechanism. Of all that NXP's module lists, CKM_RSA_PKCS, CKM_RSA_PKCS_PSS and CKM_ECDSA on a ready-made
    /// digest are the ones that work in every version of it.
    pub(crate) fn mechanism(self) -> (CK_MECHANISM_TYPE, Option<CK_RSA_PKCS_PSS_PARAMS>) {
        let Parts { mechanism, hash: Hash { mechanism: hash, mgf, bytes, .. }, .. } = self.parts();
        let parameters = CK_RSA_PKCS_PSS_PARAMS { hashAlg: *hash, mgf: *mgf, sLen: (*bytes).into() };
        (mechanism, (mechanism == CKM_RSA_PKCS_PSS).then_some(parameters))
    }

    /// What the mechanism takes for that message: the DigestInfo for CKM_RSA_PKCS, else the digest.
    pub(crate) fn mechanism_input(self, message: &[u8]) -> Vec<u8> {
        let Parts { mechanism, hash, .. } = self.parts();
        let digest = digest::digest(hash.algorithm, message);
        let prefix = if mechanism == CKM_RSA_PKCS { &hash.digest_info_prefix()[..] } else { &[] };
        [prefix, digest.as_ref()].concat()
    }

    /// How the mechanism's result is verified.
    pub(crate) fn verification(self) -> &'static dyn VerificationAlgorithm {
        self.parts().verification
    }

    /// What the mechanism gave, as TLS and X.509 want it: DER for ECDSA.
    pub(crate) fn encoded(self, signature: Vec<u8>) -> Result<Vec<u8>, der::Error> {
        if !self.is_ecdsa() {
            return Ok(signature);
        }
        // `ECDSA-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279, section 2.2.3) from PKCS#11's r||s.
        let (r, s) = signature.split_at(signature.len() / 2);
        // UintRef drops leading zeros, and puts one before a set high bit.
        vec![UintRef::new(r)?, UintRef::new(s)?].to_der()
    }

    fn parts(self) -> Parts {
        let (name, mechanism, hash, verification): (_, _, _, &'static dyn VerificationAlgorithm) = match self
        {
            Self::RsaPkcs1Sha256 => ("rsa_pkcs1_sha256", CKM_RSA_PKCS, &SHA_256, &RSA_PKCS1_2048_8192_SHA256),
            Self::RsaPkcs1Sha384 => ("rsa_pkcs1_sha384", CKM_RSA_PKCS, &SHA_384, &RSA_PKCS1_2048_8192_SHA384),
            Self::RsaPkcs1Sha512 => ("rsa_pkcs1_sha512", CKM_RSA_PKCS, &SHA_512, &RSA_PKCS1_2048_8192_SHA512),
            Self::RsaPssSha256 => {
                ("rsa_pss_rsae_sha256", CKM_RSA_PKCS_PSS, &SHA_256, &RSA_PSS_2048_8192_SHA256)
            }
            Self::RsaPssSha384 => {
                ("rsa_pss_rsae_sha384", CKM_RSA_PKCS_PSS, &SHA_384, &RSA_PSS_2048_8192_SHA384)
            }
            Self::RsaPssSha512 => {
                ("rsa_pss_rsae_sha512", CKM_RSA_PKCS_PSS, &SHA_512, &RSA_PSS_2048_8192_SHA512)
            }
            Self::EcdsaP256Sha256 => {
                ("ecdsa_secp256r1_sha256", CKM_ECDSA, &SHA_256, &ECDSA_P256_SHA256_FIXED)
            }
            Self::EcdsaP384Sha384 => {
                ("ecdsa_secp384r1_sha384", CKM_ECDSA, &SHA_384, &ECDSA_P384_SHA384_FIXED)
            }
        };
        Parts { name, mechanism, hash, verification }
    }
}

/// What TLS, PKCS#11 and ring call a scheme.
struct Parts {
    name: &'static str,
    mechanism: CK_MECHANISM_TYPE,
    hash: &'static Hash,
    verification: &'static dyn VerificationAlgorithm,
}

/// A hash of the SHA-2 family.
struct Hash {
    algorithm: &'static digest::Algorithm,
    mechanism: CK_MECHANISM_TYPE,
    mgf: CK_RSA_PKCS_MGF_TYPE,
    /// The last arc of its OID, 2.16.840.1.101.3.4.2.x.
    arc: u8,
    /// The length of the digest.
    bytes: u8,
}

static SHA_256: Hash =
    Hash { algorithm: &digest::SHA256, mechanism: CKM_SHA256, mgf: CKG_MGF1_SHA256, arc: 1, bytes: 32 };
static SHA_384: Hash =
    Hash { algorithm: &digest::SHA384, mechanism: CKM_SHA384, mgf: CKG_MGF1_SHA384, arc: 2, bytes: 48 };
static SHA_512: Hash =
    Hash { algorithm: &digest::SHA512, mechanism: CKM_SHA512, mgf: CKG_MGF1_SHA512, arc: 3, bytes: 64 };

impl Hash {
    /// What precedes the digest in a DigestInfo (RFC 8017, section 9.2, note 1).
    #[rustfmt::skip]
    fn digest_info_prefix(&self) -> [u8; 19] {
        [
            0x30, 17 + self.bytes, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, self.arc,
            0x05, 0x00, 0x04, self.bytes,
        ]
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.parts().name)
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA-{bits}"),
            Self::EcP256 => f.write_str("EC P-256"),
            Self::EcP384 => f.write_str("EC P-384"),
        }
    }
}

#[cfg(test)]
mod tests {
    use der::Decode as _;
    use proptest::prelude::*;

    use super::*;

    fn ecdsa_signature(r_and_s: &[u8]) -> Result<Vec<u8>, der::Error> {
        Scheme::EcdsaP256Sha256.encoded(r_and_s.to_vec())
    }

    #[test]
    fn integers_are_minimal_and_positive() {
        let cases: [(&str, [u8; 4], &[u8]); 4] = [
            ("plain", [0x01, 0x02, 0x03, 0x04], &[0x30, 8, 2, 2, 1, 2, 2, 2, 3, 4]),
            ("leading zero dropped", [0x00, 0x02, 0x03, 0x04], &[0x30, 7, 2, 1, 2, 2, 2, 3, 4]),
            ("high bit padded", [0x80, 0x02, 0x03, 0x04], &[0x30, 9, 2, 3, 0, 0x80, 2, 2, 2, 3, 4]),
            (
                "zero before a high bit kept once",
                [0x00, 0x80, 0x00, 0xff],
                &[0x30, 8, 2, 2, 0, 0x80, 2, 2, 0, 0xff],
            ),
        ];
        for (name, r_and_s, expected) in cases {
            assert_eq!(ecdsa_signature(&r_and_s).unwrap(), expected, "{name}");
        }
    }

    proptest! {
        /// OpenSSL and ring read the result; here the reverse way is taken by hand.
        #[test]
        fn both_halves_come_back_from_der(
            r in integer(), s in integer()
        ) {
            let der = ecdsa_signature(&[r.clone(), s.clone()].concat()).unwrap();
            let read = Vec::<UintRef<'_>>::from_der(&der).unwrap();
            prop_assert_eq!(left_padded(read[0].as_bytes()), r);
            prop_assert_eq!(left_padded(read[1].as_bytes()), s);
        }

        #[test]
        fn no_length_panics(r_and_s in prop::collection::vec(any::<u8>(), 0..140)) {
            let _ = ecdsa_signature(&r_and_s);
        }
    }

    /// 32 bytes, often with leading zeros or a set high bit.
    fn integer() -> impl Strategy<Value = Vec<u8>> {
        (0_usize..4, prop::collection::vec(any::<u8>(), 32), any::<bool>()).prop_map(
            |(zeros, mut bytes, high_bit)| {
                bytes[..zeros].fill(0);
                if high_bit {
                    bytes[zeros] |= 0x80;
                }
                bytes
            },
        )
    }

    fn left_padded(bytes: &[u8]) -> Vec<u8> {
        [vec![0; 32 - bytes.len()], bytes.to_vec()].concat()
    }
}
