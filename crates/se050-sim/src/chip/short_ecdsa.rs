//! How many of the chip's ECDSA signatures come out too short.

use serde::{Deserialize, Serialize};

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
