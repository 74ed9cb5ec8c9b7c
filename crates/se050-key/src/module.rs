//! A loaded and initialised PKCS#11 module.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as CryptokiError, RvError};
use cryptoki::slot::Slot;

use crate::raw::RawModule;
use crate::{CallError, Error, Pkcs11Uri, TokenInfo};

/// The module, initialised; finalised with this value.
pub(crate) struct Module {
    pub(crate) path: PathBuf,
    pub(crate) pkcs11: Pkcs11,
    pub(crate) raw: Arc<RawModule>,
    /// Somebody else in the process had initialised it: then finalising is theirs, too.
    shared: bool,
}

impl Module {
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::LoadModule { path: path.to_owned(), source };
        let raw = RawModule::load(path).map_err(failed)?;
        let pkcs11 = Pkcs11::new(path).map_err(|error| failed(CallError::new(error)))?;
        // Exactly this flag: NXP's module up to 4.3 refuses anything less and anything more.
        let shared = match pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) => false,
            Err(CryptokiError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => true,
            Err(error) => return Err(failed(CallError::new(error))),
        };
        Ok(Self { path: path.to_owned(), pkcs11, raw: Arc::new(raw), shared })
    }

    /// The slot of the token that the URI names, or of the only initialised token. No traffic with the chip.
    pub(crate) fn single_token(&self, wanted: &Pkcs11Uri) -> Result<(Slot, TokenInfo), Error> {
        let slots = self.pkcs11.get_slots_with_token().map_err(listing_failed)?;
        let mut tokens = Vec::new();
        for slot in slots {
            let info = self.pkcs11.get_token_info(slot).map_err(listing_failed)?;
            // A token that was never initialised (SoftHSM always offers one) has nothing to select.
            if info.token_initialized() {
                tokens.push((slot, TokenInfo::new(&self.path, slot, &info)));
            }
        }
        let labels: Vec<String> = tokens.iter().map(|(_, info)| format!("{:?}", info.label)).collect();
        let fits = |(_, info): &(Slot, TokenInfo)| wanted.mismatch(info).is_none();
        let mut fitting: Vec<_> = tokens.into_iter().filter(fits).collect();
        match (fitting.pop(), fitting.is_empty()) {
            (Some(only), true) => Ok(only),
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

impl Drop for Module {
    fn drop(&mut self) {
        if !self.shared
            && let Err(error) = self.pkcs11.clone().finalize()
        {
            tracing::debug!(module = %self.path.display(), %error, "the module was not finalised");
        }
    }
}

fn listing_failed(error: CryptokiError) -> Error {
    Error::Call {
        doing: "listing its tokens".into(),
        advice: "check that the module fits this machine",
        source: CallError::new(error),
    }
}
