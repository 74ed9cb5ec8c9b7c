//! What the module says about itself, its slot and its token.

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
