//! What the environment says, for programs that are run by hand: it goes before the chip's settings file.

use std::env::{self, VarError};
use std::str::FromStr;

use crate::chip::Settings;
use crate::{Error, Fault, Version};

const VERSION: &str = "SE050_SIM_VERSION";
const FAULT: &str = "SE050_SIM_FAULT";

/// Read once, when the module is loaded: nobody may write the environment of a process with threads afterwards.
pub(super) struct Environment {
    pub(super) version: Option<Version>,
    fault: Option<Fault>,
}

impl Environment {
    pub(super) fn read() -> Self {
        Self { version: variable(VERSION), fault: variable(FAULT) }
    }

    pub(super) fn apply(&self, settings: &mut Settings) {
        if let Some(fault) = self.fault {
            settings.fault = fault;
            // The file's changes are not its own.
            settings.fault_number = 0;
        }
    }
}

/// A value that cannot be used is said, and then not used: a module has nobody to return it to.
fn variable<T: FromStr<Err = Error>>(name: &str) -> Option<T> {
    let text = match env::var(name) {
        Ok(text) => text,
        Err(VarError::NotPresent) => return None,
        Err(VarError::NotUnicode(_)) => "?".to_owned(),
    };
    text.parse().inspect_err(|error| eprintln!("se050-sim: {name} is ignored: {error}")).ok()
}
