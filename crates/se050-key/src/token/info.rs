//! What a token says of itself.

use cryptoki_sys::{CK_TOKEN_INFO, CKF_LOGIN_REQUIRED, CKF_RNG};

use crate::report::Cost;

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
    /// The token's serial number. NXP's module gives none.
    pub serial: String,
    /// On NXP's module: the version of the module itself, major and minor.
    pub firmware_version: (u8, u8),
    /// Whether the token wants a PIN. The SE050 does not.
    pub login_required: bool,
    /// Whether the token gives random numbers, by which it can be asked for a sign of life.
    pub has_random: bool,
    /// Whether this is NXP's module (or its simulator), whose labels are object ids.
    pub is_se050: bool,
}

impl TokenInfo {
    /// What signatures cost on this version of NXP's module; `None` for other tokens.
    pub fn signature_cost(&self) -> Option<Cost> {
        self.is_se050.then(|| Cost::of_version(self.firmware_version))
    }
}

impl From<&CK_TOKEN_INFO> for TokenInfo {
    fn from(info: &CK_TOKEN_INFO) -> Self {
        let label = text(&info.label);
        Self {
            manufacturer: text(&info.manufacturerID),
            serial: text(&info.serialNumber),
            firmware_version: (info.firmwareVersion.major, info.firmwareVersion.minor),
            login_required: info.flags & CKF_LOGIN_REQUIRED != 0,
            has_random: info.flags & CKF_RNG != 0,
            is_se050: label == SE050_TOKEN_LABEL,
            label,
        }
    }
}

/// Without the padding, in which NXP's module up to 4.3 leaves a NUL.
fn text(padded: &[u8]) -> String {
    String::from_utf8_lossy(padded).trim_end_matches(['\0', ' ']).to_owned()
}
