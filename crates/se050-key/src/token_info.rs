//! What a token says of itself.

use std::ffi::c_ulong;
use std::fmt;
use std::path::{Path, PathBuf};

use cryptoki_sys::{CK_FLAGS, CK_TOKEN_INFO, CKF_LOGIN_REQUIRED, CKF_RNG};

/// The label of the one token of NXP's module.
const SE050_TOKEN_LABEL: &str = "SSS_PKCS11";

/// What the token says of itself. Read without traffic with the chip.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenInfo {
    /// The token's label: `SSS_PKCS11` for NXP's module.
    pub label: String,
    /// The manufacturer: `NXP`, or what a simulator says.
    pub manufacturer: String,
    /// The model. NXP's module gives none.
    pub model: String,
    /// The token's serial number. NXP's module gives none.
    pub serial: String,
    /// On NXP's module: the version of the module itself, major and minor.
    pub firmware_version: (u8, u8),
    /// Whether the token wants a PIN. The SE050 does not.
    pub login_required: bool,
    /// Whether the token gives random numbers, by which it can be asked for a sign of life.
    pub has_random: bool,
    /// The slot's id: a CK_ULONG, which has the size of a pointer.
    pub slot_id: c_ulong,
    /// The PKCS#11 module, as it was named when the token was opened.
    pub module: PathBuf,
    /// Whether this is NXP's module (or its simulator), whose labels are object ids.
    pub is_se050: bool,
    /// The flags of CK_TOKEN_INFO.
    pub(crate) flags: CK_FLAGS,
}

/// The byte order in which NXP's module writes an object id into a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ByteOrder {
    /// `sss:100100F0` for 0xF0000110: NXP's module 4.0 to 4.3.
    LittleEndian,
    /// `sss:F0000110` for 0xF0000110: up to 3.3, and from 4.4 on.
    BigEndian,
}

impl TokenInfo {
    pub(crate) fn new(module: &Path, slot_id: c_ulong, info: &CK_TOKEN_INFO) -> Self {
        let label = text(&info.label);
        let has = |flag| info.flags & flag != 0;
        Self {
            manufacturer: text(&info.manufacturerID),
            model: text(&info.model),
            serial: text(&info.serialNumber),
            firmware_version: (info.firmwareVersion.major, info.firmwareVersion.minor),
            login_required: has(CKF_LOGIN_REQUIRED),
            has_random: has(CKF_RNG),
            slot_id,
            module: module.to_owned(),
            is_se050: label == SE050_TOKEN_LABEL,
            flags: info.flags,
            label,
        }
    }

    /// The byte order in which this version of NXP's module writes an object id into a label; `None` for other tokens.
    pub fn label_byte_order(&self) -> Option<ByteOrder> {
        let order = match self.firmware_version {
            (4, 0..=3) => ByteOrder::LittleEndian,
            _ => ByteOrder::BigEndian,
        };
        self.is_se050.then_some(order)
    }

    /// Whether an RSASSA-PSS signature, which TLS 1.3 requires of RSA keys, wears the chip. NXP's module up to 4.2 computes the
    /// mask on the chip: 50 APDUs with RSA-2048 and 90 with RSA-4096 instead of 7, and two writes to its memory.
    pub fn rsa_pss_is_costly(&self) -> bool {
        self.is_se050 && self.firmware_version <= (4, 2)
    }

    /// Whether a C_OpenSession that fails takes one of the module's three sessions for good: NXP's module from 4.0 on.
    pub(crate) fn leaks_sessions(&self) -> bool {
        self.is_se050 && self.firmware_version >= (4, 0)
    }
}

impl fmt::Display for ByteOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LittleEndian => "lowest byte first (sss:100100F0)",
            Self::BigEndian => "highest byte first (sss:F0000110)",
        })
    }
}

/// Without the padding, in which NXP's module up to 4.3 leaves a NUL.
fn text(padded: &[u8]) -> String {
    String::from_utf8_lossy(padded).trim_end_matches(['\0', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 4.4 and 4.6 are not simulated: their source was read, and nobody has seen them running.
    #[test]
    fn the_modules_version_tells_how_labels_are_written_and_what_costs() {
        use ByteOrder::{BigEndian, LittleEndian};
        for (firmware_version, order, pss_is_costly, leaks) in [
            ((3, 3), BigEndian, true, false),
            ((4, 1), LittleEndian, true, true),
            ((4, 3), LittleEndian, false, true),
            ((4, 4), BigEndian, false, true),
            ((4, 6), BigEndian, false, true),
            ((4, 7), BigEndian, false, true),
        ] {
            let token = TokenInfo { firmware_version, is_se050: true, ..TokenInfo::default() };
            let found = (token.label_byte_order(), token.rsa_pss_is_costly(), token.leaks_sessions());
            assert_eq!(found, (Some(order), pss_is_costly, leaks), "{firmware_version:?}");
        }
        let other = TokenInfo { firmware_version: (4, 2), ..TokenInfo::default() };
        let found = (other.label_byte_order(), other.rsa_pss_is_costly(), other.leaks_sessions());
        assert_eq!(found, (None, false, false));
    }
}
