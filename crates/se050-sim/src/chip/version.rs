//! The version of NXP's module that is simulated.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// A version of NXP's `libsss_pkcs11.so`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Version {
    /// 3.3, of 2021: big-endian labels, session handles that are heap pointers.
    V3_3,
    /// 4.2, the default: what an Armadillo has. Little-endian labels, slow PSS.
    #[default]
    V4_2,
    /// 4.3: little-endian labels, no mechanism that hashes, an enumeration that hardly works.
    V4_3,
    /// 4.7: big-endian labels and ids, sessions that do not wedge.
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

impl TryFrom<String> for Version {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}
