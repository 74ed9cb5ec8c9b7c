//! What the module says about itself, its slot and its token.

use cryptoki_sys::*;

use super::SLOT;
use super::{Answer, Settings};

/// PKCS#11 2.40, as NXP's module implements.
pub(crate) const CRYPTOKI_VERSION: CK_VERSION = CK_VERSION { major: 2, minor: 40 };

/// The applet of an SE050C1, 3.1.
const HARDWARE: CK_VERSION = CK_VERSION { major: 3, minor: 1 };

/// NXP's says `NXP`. This one must never be taken for a chip that keeps its keys.
const TOKEN_MANUFACTURER: &str = "NXP SIMULATED, DEV ONLY";

const TOKEN_LABEL: &str = "SSS_PKCS11";

/// The texts are blank: not even the library's name can be read here.
pub(crate) fn module_info() -> CK_INFO {
    CK_INFO {
        cryptokiVersion: CRYPTOKI_VERSION,
        manufacturerID: padded(""),
        flags: 0,
        libraryDescription: padded(""),
        libraryVersion: CK_VERSION::default(),
    }
}

pub(crate) fn slot_info(slot: CK_SLOT_ID, settings: &Settings) -> Answer<CK_SLOT_INFO> {
    if slot != SLOT {
        return Err(CKR_SLOT_ID_INVALID);
    }
    Ok(CK_SLOT_INFO {
        slotDescription: padded(""),
        // The real one copies its name with the NUL that ends it into the blank padding.
        manufacturerID: padded("NXP\0"),
        flags: CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE | CKF_HW_SLOT,
        hardwareVersion: HARDWARE,
        firmwareVersion: firmware(settings),
    })
}

/// Whatever the slot: the real one does not look at it. Model and serial number are blank, so that chips cannot be
/// told apart.
pub(crate) fn token_info(settings: &Settings) -> CK_TOKEN_INFO {
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
        firmwareVersion: firmware(settings),
        ..CK_TOKEN_INFO::default()
    }
}

/// The module's own version: the only way to learn it.
fn firmware(settings: &Settings) -> CK_VERSION {
    let (major, minor) = settings.version.number();
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
