//! One owner thread for each module and process, however often a token is opened.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use crate::Error;
use crate::owner::Owner;
use crate::pulse::{OwnerState, Pulse};
use crate::token::TokenBuilder;

/// Every module that this process ever opened.
static MODULES: LazyLock<Mutex<HashMap<PathBuf, Arc<Mutex<Place>>>>> = LazyLock::new(Mutex::default);

/// A module's owner. The lock around it is held while the owner starts, so that nobody starts a second one.
#[derive(Default)]
struct Place {
    owner: Weak<Owner>,
    last: Option<Last>,
}

/// The thread that was started last.
struct Last {
    options: TokenBuilder,
    pulse: Arc<Pulse>,
    process: u32,
}

/// The owner of the module that the options name: the one that is there, else a new one.
pub(crate) fn owner(options: TokenBuilder) -> Result<Arc<Owner>, Error> {
    let place = {
        let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(modules.entry(canonical(&options.module)).or_default())
    };
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(last) = place.last.as_ref().filter(|last| !last.pulse.has_ended()) {
        if last.process != std::process::id() {
            return Err(Error::Forked);
        }
        if let Some(owner) = place.owner.upgrade() {
            return match options.contradiction(&last.options, &owner) {
                None => Ok(owner),
                Some(what) => Err(Error::AlreadyOpen { module: options.module, what }),
            };
        }
        const OPENING: &str = "opening the token";
        // Still closing its session, or hanging in an opening that was given up on.
        if matches!(last.pulse.state(last.options.deadline), OwnerState::Hanging { .. })
            || !last.pulse.wait_for_end(options.deadline)
        {
            return Err(Error::Hanging { doing: OPENING });
        }
    }
    let pulse = Arc::new(Pulse::new());
    let process = std::process::id();
    // A PIN lives no longer than its token.
    let remembered = TokenBuilder { pin: None, ..options.clone() };
    place.last = Some(Last { options: remembered, pulse: Arc::clone(&pulse), process });
    let owner = Arc::new(Owner::start(options, &pulse)?);
    place.owner = Arc::downgrade(&owner);
    Ok(owner)
}

/// Two ways to write one module are one module. A bare name is left to the loader.
pub(crate) fn canonical(module: &Path) -> PathBuf {
    std::fs::canonicalize(module).unwrap_or_else(|_| module.to_owned())
}
