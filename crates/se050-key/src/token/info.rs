//! What a token says of itself.

use std::path::{Path, PathBuf};

use cryptoki::slot::Slot;

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
    /// The model.
    pub model: String,
    /// The token's serial number. NXP's module gives none.
    pub serial: String,
    /// On NXP's module: the version of the module itself, major and minor.
    pub firmware_version: (u8, u8),
    /// Whether the token wants a PIN. The SE050 does not.
    pub login_required: bool,
    /// Whether the token gives random numbers, by which it can be asked for a sign of life.
    pub has_random: bool,
    /// The slot's id.
    pub slot_id: u64,
    /// The PKCS#11 module, as it was named when the token was opened.
    pub module: PathBuf,
    /// Whether this is NXP's module (or its simulator), whose labels are object ids.
    pub is_se050: bool,
}

impl TokenInfo {
    /// What signatures cost on this version of NXP's module; `None` for other tokens.
    pub fn signature_cost(&self) -> Option<Cost> {
        self.is_se050.then(|| Cost::of_version(self.firmware_version))
    }
}

impl TokenInfo {
    pub(crate) fn new(module: &Path, slot: Slot, info: &cryptoki::slot::TokenInfo) -> Self {
        let version = info.firmware_version();
        Self {
            label: info.label().to_owned(),
            manufacturer: printable(info.manufacturer_id()),
            model: printable(info.model()),
            serial: printable(info.serial_number()),
            firmware_version: (version.major(), version.minor()),
            login_required: info.login_required(),
            has_random: info.rng(),
            slot_id: slot.id(),
            module: module.to_owned(),
            is_se050: info.label() == SE050_TOKEN_LABEL,
        }
    }
}

/// Without the NUL that NXP's module up to 4.3 leaves in its padding.
pub(crate) fn printable(text: &str) -> String {
    text.trim_end_matches(['\0', ' ']).to_owned()
}
