//! A loaded and initialised PKCS#11 module, and the choice of its token.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use cryptoki_sys::{
    CK_TOKEN_INFO, CKF_LOGIN_REQUIRED, CKF_RNG, CKF_TOKEN_INITIALIZED, CKF_USER_PIN_FINAL_TRY,
    CKF_USER_PIN_LOCKED,
};

use crate::module_file::ModuleFile;
use crate::raw::{RawModule, RawSession};
use crate::{ByteOrder, CallError, Error, Pkcs11Uri};

/// The label of the one token of NXP's module.
const SE050_TOKEN_LABEL: &str = "SSS_PKCS11";
/// The file name of p11-kit's client, which passes all calls on to a module in another process.
const REMOTE: &str = "p11-kit-client.so";

/// The module, initialised; finalised when this value and the last session are gone.
pub(crate) struct Module {
    path: PathBuf,
    raw: Rc<RawModule>,
}

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
    /// The slot's id.
    pub slot_id: u64,
    /// The PKCS#11 module, as it was named when the token was opened.
    pub module: PathBuf,
    /// Whether this is NXP's module (or its simulator), whose labels are object ids.
    pub is_se050: bool,
    /// What became of wrong PINs.
    pub(crate) pin: PinState,
}

/// What the token says of the user PIN (CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum PinState {
    #[default]
    Good,
    /// One more wrong PIN locks the token.
    FinalTry,
    Locked,
}

impl Module {
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let failed = |reason| Error::LoadModule { path: path.to_owned(), reason };
        let file = ModuleFile::inspect(path).map_err(failed)?;
        let raw = RawModule::load(path).map_err(|reason| failed(file.explain(reason)))?;
        Ok(Self { path: path.to_owned(), raw })
    }

    /// Whether the module only passes the calls on to another process, which has the chip.
    pub(crate) fn is_remote(&self) -> bool {
        canonical(&self.path).file_name().is_some_and(|name| name == REMOTE)
    }

    /// A new connection, where the module is a client of another process: it answers CKR_DEVICE_ERROR to everything once
    /// that process has ended.
    pub(crate) fn reconnect(&self) -> Result<(), CallError> {
        self.raw.reinitialize()
    }

    pub(crate) fn open_session(&self, token: &TokenInfo) -> Result<RawSession, CallError> {
        self.raw.open_session(token.slot_id)
    }

    /// The token that the URI names, or the only initialised one. No traffic with the chip.
    pub(crate) fn single_token(&self, wanted: &Pkcs11Uri) -> Result<TokenInfo, Error> {
        let mut tokens = Vec::new();
        for slot in self.raw.slots().map_err(listing_failed)? {
            let info = self.raw.token_info(slot).map_err(listing_failed)?;
            // A token that was never initialised (SoftHSM always offers one) has nothing to select.
            if info.flags & CKF_TOKEN_INITIALIZED != 0 {
                tokens.push(TokenInfo::new(&self.path, slot, &info));
            }
        }
        let labels: Vec<String> = tokens.iter().map(|info| format!("{:?}", info.label)).collect();
        let mut fitting: Vec<_> = tokens.into_iter().filter(|info| wanted.mismatch(info).is_none()).collect();
        match (fitting.pop(), fitting.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) if labels.is_empty() && self.is_remote() => Err(Error::NoServer),
            (None, _) if labels.is_empty() => Err(self.no_single_token(
                "no initialised token".into(),
                "initialise one, or check the environment variable that leads the module to it",
            )),
            (None, _) => Err(self.no_single_token(
                format!("no token with {} (it has {})", wanted.describe_token(), labels.join(", ")),
                "check the token's label and slot, and each attribute of a PKCS#11 URI",
            )),
            (Some(_), false) => Err(self.no_single_token(
                format!("several tokens ({})", labels.join(", ")),
                "select one by its label or slot",
            )),
        }
    }

    fn no_single_token(&self, found: String, advice: &'static str) -> Error {
        Error::NoSingleToken { module: self.path.clone(), found, advice }
    }
}

impl TokenInfo {
    fn new(module: &Path, slot_id: u64, info: &CK_TOKEN_INFO) -> Self {
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
            pin: match (has(CKF_USER_PIN_LOCKED), has(CKF_USER_PIN_FINAL_TRY)) {
                (true, _) => PinState::Locked,
                (false, true) => PinState::FinalTry,
                (false, false) => PinState::Good,
            },
            label,
        }
    }

    /// The byte order in which this version of NXP's module writes an object id into a label; `None` for other tokens.
    pub fn label_byte_order(&self) -> Option<ByteOrder> {
        self.is_se050.then(|| match self.firmware_version {
            (4, 0..=3) => ByteOrder::LittleEndian,
            _ => ByteOrder::BigEndian,
        })
    }

    /// Whether a signature with RSASSA-PSS, which TLS 1.3 wants of RSA keys, wears the chip: NXP's module up to 4.2 hashes
    /// each piece of its mask in the chip, 50 APDUs with RSA-2048 and 90 with RSA-4096 instead of 7, and writes two objects to
    /// its memory.
    pub fn rsa_pss_is_costly(&self) -> bool {
        self.is_se050 && self.firmware_version <= (4, 2)
    }

    /// Whether a C_OpenSession that fails takes one of the module's three sessions for good: NXP's module from 4.0 on.
    pub(crate) fn leaks_sessions(&self) -> bool {
        self.is_se050 && self.firmware_version >= (4, 0)
    }
}

/// Two ways to write one file are one file. A bare name is left to the loader.
pub(crate) fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Without the padding, in which NXP's module up to 4.3 leaves a NUL.
fn text(padded: &[u8]) -> String {
    String::from_utf8_lossy(padded).trim_end_matches(['\0', ' ']).to_owned()
}

fn listing_failed(source: CallError) -> Error {
    Error::Call {
        doing: "listing its tokens".into(),
        advice: "check that the module fits this machine",
        source,
    }
}
