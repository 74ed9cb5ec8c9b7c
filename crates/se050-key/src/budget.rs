//! How many openings of a session may still fail in this process.
//!
//! A C_OpenSession that fails leaks one of the three sessions of NXP's module 4.x, for the process's whole life: after
//! the third it answers CKR_DEVICE_MEMORY for good, even when the chip is back.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// One of the three sessions is kept for the opening that succeeds.
pub(crate) const MOST_FAILURES: u32 = 2;

/// By module, for the whole process: a second [`Token`](crate::Token) has no budget of its own.
static FAILURES: LazyLock<Mutex<HashMap<PathBuf, u32>>> = LazyLock::new(Mutex::default);

/// The budget of one module.
pub(crate) struct OpenBudget {
    module: PathBuf,
    /// Other tokens leak nothing.
    limited: bool,
}

impl OpenBudget {
    pub(crate) fn new(module: &Path, limited: bool) -> Self {
        Self { module: crate::registry::canonical(module), limited }
    }

    pub(crate) fn failures(&self) -> u32 {
        failures().get(&self.module).copied().unwrap_or(0)
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.limited && self.failures() >= MOST_FAILURES
    }

    pub(crate) fn note_failure(&self) {
        *failures().entry(self.module.clone()).or_default() += 1;
    }

    /// The module says itself that it has no session left.
    pub(crate) fn note_exhaustion(&self) {
        failures().insert(self.module.clone(), MOST_FAILURES);
    }
}

fn failures() -> MutexGuard<'static, HashMap<PathBuf, u32>> {
    FAILURES.lock().unwrap_or_else(PoisonError::into_inner)
}
