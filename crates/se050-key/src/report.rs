//! A diagnosis as data, for a program to show.

use std::path::PathBuf;

use crate::bus::Bus;
use crate::lock::Holder;
use crate::outage::MOST_FAILURES;
use crate::recovery::Recovery;
use crate::{ByteOrder, TokenInfo};

/// What is known about token, bus, lock and session. Made without traffic with the chip.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The token, with its module; its firmware version is the version of NXP's module.
    pub token: TokenInfo,
    /// Bus and address of the chip, e.g. `/dev/i2c-1:0x48`, where they are known.
    pub bus: Option<String>,
    /// The byte order in which this version of NXP's module writes labels.
    pub label_byte_order: Option<ByteOrder>,
    /// How many sessions this process opened.
    pub sessions_opened: u64,
    /// How many openings failed, and how many may. `None` where that is not limited.
    pub failed_openings: Option<(u32, u32)>,
    /// The lock file.
    pub lock_file: Option<PathBuf>,
    /// Another process that has the lock.
    pub locked_by: Option<Holder>,
}

impl Report {
    pub(crate) fn of(recovery: &Recovery) -> Self {
        let token = recovery.token().clone();
        let lock_file = recovery.lock_file.as_ref();
        Self {
            bus: Some(&recovery.bus).filter(|bus| **bus != Bus::Unknown).map(ToString::to_string),
            label_byte_order: token.label_byte_order(),
            sessions_opened: recovery.sessions_opened,
            failed_openings: recovery.openings().map(|openings| (openings.failures, MOST_FAILURES)),
            locked_by: lock_file.filter(|_| !recovery.holds_the_lock()).and_then(|file| file.other_holder()),
            lock_file: lock_file.map(|file| file.path.clone()),
            token,
        }
    }
}
