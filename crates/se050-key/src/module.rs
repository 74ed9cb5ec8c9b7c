//! A loaded and initialised PKCS#11 module, and the choice of its token.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use cryptoki_sys::CKF_TOKEN_INITIALIZED;

use crate::module_file::{ModuleFile, canonical};
use crate::raw::{RawModule, RawSession};
use crate::{CallError, Error, Pkcs11Uri, TokenInfo};

/// The file name of p11-kit's client, which passes all calls on to a module in another process.
const REMOTE: &str = "p11-kit-client.so";

/// The module, initialised; finalised when this value and the last session are gone.
pub(crate) struct Module {
    path: PathBuf,
    raw: Rc<RawModule>,
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

fn listing_failed(source: CallError) -> Error {
    Error::Call {
        doing: "listing its tokens".into(),
        advice: "check that the module fits this machine",
        source,
    }
}
