//! How long a chip takes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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
