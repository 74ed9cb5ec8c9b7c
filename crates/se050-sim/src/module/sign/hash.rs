//! The hashes that the module knows.

use cryptoki_sys::*;
use rsa::Pkcs1v15Sign;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// Evaluates an expression with `$type` as that hash's type.
macro_rules! with_type {
    ($hash:expr, $type:ident => $expression:expr) => {
        match $hash {
            Hash::Sha1 => {
                type $type = Sha1;
                $expression
            }
            Hash::Sha224 => {
                type $type = Sha224;
                $expression
            }
            Hash::Sha256 => {
                type $type = Sha256;
                $expression
            }
            Hash::Sha384 => {
                type $type = Sha384;
                $expression
            }
            Hash::Sha512 => {
                type $type = Sha512;
                $expression
            }
        }
    };
}

impl Hash {
    pub(super) fn of_mechanism(mechanism: CK_MECHANISM_TYPE) -> Option<Self> {
        Some(match mechanism {
            CKM_SHA_1 => Self::Sha1,
            CKM_SHA224 => Self::Sha224,
            CKM_SHA256 => Self::Sha256,
            CKM_SHA384 => Self::Sha384,
            CKM_SHA512 => Self::Sha512,
            _ => return None,
        })
    }

    /// The digest's length in bytes.
    pub(super) fn length(self) -> usize {
        with_type!(self, D => <D as Digest>::output_size())
    }

    pub(super) fn digest(self, data: &[u8]) -> Vec<u8> {
        with_type!(self, D => D::digest(data).to_vec())
    }

    /// The digest in the DER that PKCS#1 v1.5 signs.
    pub(super) fn digest_info(self, data: &[u8]) -> Vec<u8> {
        let prefix = with_type!(self, D => Pkcs1v15Sign::new::<D>().prefix);
        [&prefix, self.digest(data).as_slice()].concat()
    }

    /// PSS with this hash everywhere and a salt of its length.
    pub(super) fn pss(self) -> rsa::Pss {
        with_type!(self, D => rsa::Pss::new_with_salt::<D>(self.length()))
    }
}
