//! A loaded and initialised PKCS#11 module, and the choice of its token.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use cryptoki_sys::{CK_SLOT_ID, CKF_TOKEN_INITIALIZED};

use crate::raw::RawModule;
use crate::{CallError, Error, TokenInfo};

/// The module, initialised; finalised when this value and the last session are gone.
pub(crate) struct Module {
    pub(crate) path: PathBuf,
    pub(crate) raw: Rc<RawModule>,
}

impl Module {
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let raw =
            RawModule::load(path).map_err(|reason| Error::LoadModule { path: path.to_owned(), reason })?;
        Ok(Self { path: path.to_owned(), raw })
    }

    /// The slot of the token with that label, or of the only initialised token. No traffic with the chip.
    pub(crate) fn single_token(
        &self,
        label: Option<&str>,
        slot_id: Option<u64>,
    ) -> Result<(CK_SLOT_ID, TokenInfo), Error> {
        let mut tokens = Vec::new();
        for slot in self.raw.slots().map_err(listing_failed)? {
            let info = self.raw.token_info(slot).map_err(listing_failed)?;
            // A token that was never initialised (SoftHSM always offers one) has nothing to select.
            if info.flags & CKF_TOKEN_INITIALIZED != 0 {
                tokens.push((slot, TokenInfo::from(&info)));
            }
        }
        let labels: Vec<String> = tokens.iter().map(|(_, info)| format!("{:?}", info.label)).collect();
        let fits = |(slot, info): &(CK_SLOT_ID, TokenInfo)| {
            label.is_none_or(|label| info.label == label) && slot_id.is_none_or(|id| *slot == id)
        };
        let mut fitting: Vec<_> = tokens.into_iter().filter(fits).collect();
        match (fitting.pop(), fitting.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) if labels.is_empty() => Err(self.no_single_token(
                "no initialised token".into(),
                "initialise one, or check the environment variable that leads the module to it",
            )),
            (None, _) => Err(self.no_single_token(
                format!("no token {} (it has {})", wanted(label, slot_id), labels.join(", ")),
                "check the token's label and slot",
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

fn wanted(label: Option<&str>, slot_id: Option<u64>) -> String {
    let label = label.map(|label| format!("labelled {label:?}"));
    let slot = slot_id.map(|id| format!("in slot {id}"));
    [label, slot].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn listing_failed(source: CallError) -> Error {
    Error::Call {
        doing: "listing its tokens".into(),
        advice: "check that the module fits this machine",
        source,
    }
}
