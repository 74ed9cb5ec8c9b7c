//! `chip.json`: what kind of chip and module this is, and what is wrong with it.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::write_whole;
use crate::{Error, Fault, Latency, ShortEcdsa, Version};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) version: Version,
    /// NXP's module logs to standard output, which breaks every client that writes its own result there.
    pub(crate) log_to_stdout: bool,
    pub(crate) fault: Fault,
    /// Counts the faults that were set, so that the same one set again begins anew.
    pub(crate) fault_number: u64,
    /// Counts how often the chip lost its power, and with it what it knew of a session.
    pub(crate) power_cycles: u64,
    pub(crate) short_ecdsa: ShortEcdsa,
    pub(crate) latency: Latency,
    /// Whether the module ends the process where the real one crashes, and hangs where the real one does for ever.
    pub(crate) crashes: bool,
    /// What the documented waits on a mute chip are multiplied with.
    pub(crate) time_scale: f64,
    /// Whether a process that opens or closes the chip breaks the session of another one, as on the bus.
    pub(crate) processes_disturb: bool,
}

impl Settings {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read(path).map_err(Error::file("read", path))?;
        serde_json::from_slice(&text).map_err(Error::content(path))
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let mut text = serde_json::to_string_pretty(self).map_err(Error::content(path))?;
        text.push('\n');
        write_whole(path, text.as_bytes())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: Version::default(),
            log_to_stdout: true,
            fault: Fault::None,
            fault_number: 0,
            power_cycles: 0,
            short_ecdsa: ShortEcdsa::Natural,
            latency: Latency::default(),
            crashes: false,
            time_scale: 1.0,
            processes_disturb: false,
        }
    }
}
