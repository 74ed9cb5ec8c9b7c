//! What the module says about itself, its slot, its token and its mechanisms: constants, whatever the chip can do.

use cryptoki_sys::*;

use super::{Answer, SLOT};
use crate::Version;

/// PKCS#11 2.40, as NXP's module implements.
pub(crate) const CRYPTOKI_VERSION: CK_VERSION = CK_VERSION { major: 2, minor: 40 };

/// The applet of an SE050C1, 3.1.
const HARDWARE: CK_VERSION = CK_VERSION { major: 3, minor: 1 };

/// NXP's says `NXP`. This one must never be taken for a chip that keeps its keys.
const TOKEN_MANUFACTURER: &str = "NXP SIMULATED, DEV ONLY";

const TOKEN_LABEL: &str = "SSS_PKCS11";

pub(crate) fn module_info(version: Version) -> CK_INFO {
    let [manufacturer, library] =
        if version.forgets_its_texts() { [""; 2] } else { [TOKEN_MANUFACTURER, "SIMULATED libsss_pkcs11"] };
    CK_INFO {
        cryptokiVersion: CRYPTOKI_VERSION,
        manufacturerID: padded(manufacturer),
        flags: 0,
        libraryDescription: padded(library),
        libraryVersion: if version.forgets_its_texts() { CK_VERSION::default() } else { firmware(version) },
    }
}

pub(crate) fn slot_info(slot: CK_SLOT_ID, version: Version) -> Answer<CK_SLOT_INFO> {
    if slot != SLOT {
        return Err(CKR_SLOT_ID_INVALID);
    }
    Ok(CK_SLOT_INFO {
        slotDescription: padded(""),
        // The name is copied with the NUL that ends it into the blank padding.
        manufacturerID: padded(if version.forgets_its_texts() { "NXP\0" } else { "NXP" }),
        flags: CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE | CKF_HW_SLOT,
        hardwareVersion: HARDWARE,
        firmwareVersion: firmware(version),
    })
}

/// Model and serial number are blank, so that chips cannot be
/// told apart.
pub(crate) fn token_info(version: Version) -> CK_TOKEN_INFO {
    CK_TOKEN_INFO {
        label: padded(TOKEN_LABEL),
        manufacturerID: padded(TOKEN_MANUFACTURER),
        model: padded(""),
        serialNumber: padded(""),
        flags: CKF_RNG | CKF_TOKEN_INITIALIZED,
        ulMaxSessionCount: 1,
        ulMaxRwSessionCount: 1,
        ulMaxPinLen: 10,
        ulMinPinLen: 0,
        hardwareVersion: HARDWARE,
        firmwareVersion: firmware(version),
        ..CK_TOKEN_INFO::default()
    }
}

/// The module's own version: the only way to learn it.
fn firmware(version: Version) -> CK_VERSION {
    let (major, minor) = version.number();
    CK_VERSION { major, minor }
}

/// Blank-padded, as PKCS#11 wants its texts.
fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [b' '; N];
    for (place, byte) in field.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    field
}

/// Those of an RSA key, with which each version's list begins.
pub(super) const RSA_MECHANISMS: [CK_MECHANISM_TYPE; 13] = [
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
];

/// What versions 4.0 to 4.3 list besides. 3.3 has one less: taken to be the last.
const OTHERS: [CK_MECHANISM_TYPE; 17] = [
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
    let mut list = [&RSA_MECHANISMS[..], &OTHERS].concat();
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
        CKM_RSA_PKCS_OAEP => (RSA, CRYPT),
        other if RSA_MECHANISMS.contains(&other) => (RSA, SIGN),
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
