//! `chip.json`: what kind of module the simulator is.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) version: Version,
    /// NXP's module logs to standard output, which breaks every client that writes its own result there.
    pub(crate) log_to_stdout: bool,
}

/// The version of NXP's module that is simulated. What differs between versions is asked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub(crate) enum Version {
    #[serde(rename = "4.2")]
    V4_2,
}

impl Settings {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read(path).map_err(Error::file("read", path))?;
        serde_json::from_slice(&text).map_err(Error::content(path))
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let mut text = serde_json::to_string_pretty(self).map_err(Error::content(path))?;
        text.push('\n');
        fs::write(path, text).map_err(Error::file("write", path))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { version: Version::default(), log_to_stdout: true }
    }
}

impl Default for Version {
    /// What an Armadillo has: its maker's newer packages carry Plug & Trust 4.2.0.
    fn default() -> Self {
        Self::V4_2
    }
}

impl Version {
    /// Major and minor, as `C_GetTokenInfo` gives it for the firmware.
    pub(crate) fn number(self) -> (u8, u8) {
        match self {
            Self::V4_2 => (4, 2),
        }
    }
}
