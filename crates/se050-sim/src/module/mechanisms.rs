//! The mechanisms that the module lists: a constant table, whatever the chip can do.

use cryptoki_sys::*;

use super::Answer;
use crate::Version;

/// What versions 4.0 to 4.3 list. 3.3 has one less: taken to be the last.
const LIST: [CK_MECHANISM_TYPE; 30] = [
    CKM_RSA_PKCS,
    CKM_SHA1_RSA_PKCS,
    CKM_SHA224_RSA_PKCS,
    CKM_SHA256_RSA_PKCS,
    CKM_SHA384_RSA_PKCS,
    CKM_SHA512_RSA_PKCS,
    CKM_RSA_PKCS_PSS,
    CKM_SHA1_RSA_PKCS_PSS,
    CKM_SHA224_RSA_PKCS_PSS,
    CKM_SHA256_RSA_PKCS_PSS,
    CKM_SHA384_RSA_PKCS_PSS,
    CKM_SHA512_RSA_PKCS_PSS,
    CKM_RSA_PKCS_OAEP,
    CKM_AES_ECB,
    CKM_AES_CBC,
    CKM_AES_CTR,
    CKM_SHA_1,
    CKM_SHA224,
    CKM_SHA256,
    CKM_SHA384,
    CKM_SHA512,
    CKM_ECDSA,
    CKM_ECDSA_SHA1,
    CKM_EC_KEY_PAIR_GEN,
    CKM_RSA_PKCS_KEY_PAIR_GEN,
    CKM_AES_KEY_GEN,
    CKM_DES2_KEY_GEN,
    CKM_DES3_KEY_GEN,
    CKM_ECDH1_DERIVE,
    CKM_SHA256_HMAC,
];

/// What 4.7 has besides.
const ADDED: [CK_MECHANISM_TYPE; 9] = [
    CKM_RSA_X_509,
    CKM_ECDSA_SHA224,
    CKM_ECDSA_SHA256,
    CKM_ECDSA_SHA384,
    CKM_ECDSA_SHA512,
    CKM_SHA_1_HMAC,
    CKM_SHA224_HMAC,
    CKM_SHA384_HMAC,
    CKM_SHA512_HMAC,
];

/// The length that the real module reports is the table's size in bytes, not in entries. So a client gets a list
/// that goes on in zeros, and zero is a mechanism: CKM_RSA_PKCS_KEY_PAIR_GEN.
pub(crate) fn mechanism_list(version: Version) -> Vec<CK_MECHANISM_TYPE> {
    let mut list = LIST.to_vec();
    match version {
        Version::V3_3 => drop(list.pop()),
        Version::V4_2 | Version::V4_3 => {}
        Version::V4_7 => list.extend(ADDED),
    }
    if version.counts_mechanisms_in_bytes() {
        // A CK_ULONG of the real module has eight bytes, on each of its machines.
        list.resize(list.len() * 8, 0);
    }
    list
}

/// Answers for CKM_RSA_X_509, which is not listed and cannot sign; does not answer for CKM_DES3_KEY_GEN, which is.
pub(crate) fn mechanism_info(mechanism: CK_MECHANISM_TYPE, version: Version) -> Answer<CK_MECHANISM_INFO> {
    const RSA: (CK_ULONG, CK_ULONG) = (1024, 4096);
    const EC: (CK_ULONG, CK_ULONG) = (192, 521);
    const AES: (CK_ULONG, CK_ULONG) = (128, 256);
    const SIGN: CK_FLAGS = CKF_SIGN | CKF_VERIFY;
    const CRYPT: CK_FLAGS = CKF_ENCRYPT | CKF_DECRYPT;

    let ((min, max), flags) = match mechanism {
        CKM_RSA_PKCS => (RSA, CRYPT | SIGN),
        CKM_SHA1_RSA_PKCS | CKM_SHA224_RSA_PKCS | CKM_SHA256_RSA_PKCS | CKM_SHA384_RSA_PKCS
        | CKM_SHA512_RSA_PKCS => (RSA, SIGN),
        CKM_RSA_PKCS_PSS
        | CKM_SHA1_RSA_PKCS_PSS
        | CKM_SHA224_RSA_PKCS_PSS
        | CKM_SHA256_RSA_PKCS_PSS
        | CKM_SHA384_RSA_PKCS_PSS
        | CKM_SHA512_RSA_PKCS_PSS => (RSA, SIGN),
        CKM_RSA_PKCS_OAEP => (RSA, CRYPT),
        CKM_RSA_PKCS_KEY_PAIR_GEN => (RSA, CKF_GENERATE_KEY_PAIR),
        CKM_RSA_X_509 if version != Version::V3_3 => (RSA, CKF_VERIFY),
        CKM_SHA256_HMAC => (RSA, SIGN),
        CKM_AES_ECB | CKM_AES_CBC | CKM_AES_CTR => (AES, CRYPT),
        CKM_AES_KEY_GEN => (AES, CKF_GENERATE),
        CKM_DES2_KEY_GEN => ((128, 128), CKF_GENERATE),
        CKM_SHA_1 | CKM_SHA224 | CKM_SHA256 | CKM_SHA384 | CKM_SHA512 => ((0, 0), CKF_DIGEST),
        CKM_ECDSA | CKM_ECDSA_SHA1 => (EC, SIGN),
        CKM_ECDSA_SHA224 | CKM_ECDSA_SHA256 | CKM_ECDSA_SHA384 | CKM_ECDSA_SHA512
            if version.has_ecdsa_sha2() =>
        {
            (EC, SIGN)
        }
        CKM_SHA_1_HMAC | CKM_SHA224_HMAC | CKM_SHA384_HMAC | CKM_SHA512_HMAC if version == Version::V4_7 => {
            (RSA, SIGN)
        }
        CKM_EC_KEY_PAIR_GEN => (EC, CKF_GENERATE_KEY_PAIR | CKF_EC_NAMEDCURVE),
        CKM_ECDH1_DERIVE => (AES, CKF_DERIVE),
        _ => return Err(CKR_MECHANISM_INVALID),
    };
    Ok(CK_MECHANISM_INFO { ulMinKeySize: min, ulMaxKeySize: max, flags: CKF_HW | flags })
}
