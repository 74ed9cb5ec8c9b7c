//! `chip.json`: what kind of chip and module this is, and what is wrong with it.

use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::write_whole;
use crate::{Error, Fault};

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

/// How many ECDSA signatures come out too short. The module takes r and s out of the chip's DER without filling them
/// up again: 62 bytes instead of 64 up to version 4.3, 63 on 4.7.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ShortEcdsa {
    /// As many as chance wants: one in some 250 (one in 128 on 4.7).
    #[default]
    Natural,
    /// None.
    Never,
    /// The first one that a process makes, and every n-th after it; with 1, all.
    OneIn(u32),
}

impl ShortEcdsa {
    /// Whether the signature after `made` others is to be short; `None` for chance.
    pub(crate) fn wants(self, made: u32) -> Option<bool> {
        match self {
            Self::Natural => None,
            Self::Never => Some(false),
            Self::OneIn(n) => Some(made.is_multiple_of(n.max(1))),
        }
    }
}

/// A version of NXP's `libsss_pkcs11.so`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Version {
    /// 3.3, of 2021: big-endian labels, session handles that are heap pointers.
    #[serde(rename = "3.3")]
    V3_3,
    /// 4.2, the default: what an Armadillo has. Little-endian labels, slow PSS.
    #[default]
    #[serde(rename = "4.2")]
    V4_2,
    /// 4.3: little-endian labels, no mechanism that hashes, an enumeration that hardly works.
    #[serde(rename = "4.3")]
    V4_3,
    /// 4.7: big-endian labels and ids, sessions that do not wedge.
    #[serde(rename = "4.7")]
    V4_7,
}

impl Version {
    /// All of them, the oldest first: for tests that run on each.
    pub const ALL: [Self; 4] = [Self::V3_3, Self::V4_2, Self::V4_3, Self::V4_7];

    /// Major and minor, as `C_GetTokenInfo` gives it for the firmware.
    #[must_use]
    pub fn number(self) -> (u8, u8) {
        match self {
            Self::V3_3 => (3, 3),
            Self::V4_2 => (4, 2),
            Self::V4_3 => (4, 3),
            Self::V4_7 => (4, 7),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.number();
        write!(f, "{major}.{minor}")
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|version| version.to_string() == text);
        found.ok_or_else(|| Error::UnknownVersion(text.to_owned()))
    }
}

/// How long the chip takes for what it does; nothing in a new one. It changes no answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// The opening of the chip with a process's first session.
    pub open: Duration,
    /// Each command and its answer on the bus, those of a signature included.
    pub apdu: Duration,
    /// One operation with a private RSA key, of any size.
    pub rsa: Duration,
    /// One operation with a private EC key.
    pub ec: Duration,
}

impl Latency {
    /// An SE050C1 without SCP03, as NXP's middleware documentation (`performance_se050`) has it: RSA-2048 and P-256. RSA-4096 takes
    /// longer, and NXP gives no figure.
    ///
    /// `apdu` is an estimate, since NXP gives none: some 60 bytes each way at 400 kHz (I2C fast mode).
    pub const PUBLISHED: Self = Self {
        open: Duration::from_millis(132),
        apdu: Duration::from_millis(3),
        rsa: Duration::from_millis(93),
        ec: Duration::from_millis(45),
    };
}
