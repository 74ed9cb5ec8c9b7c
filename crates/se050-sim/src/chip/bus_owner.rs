//! The file `bus`: who opened or closed the chip last. Nothing arbitrates the real bus, and whoever comes later breaks
//! the session of who was there.

use std::fs;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use super::write_whole;
use crate::Error;

/// Writes a name there that nobody else has, and returns it.
pub(crate) fn take(path: &Path) -> Result<String, Error> {
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    // The counter's address: two copies of the module in one process have two counters.
    let place = std::ptr::from_ref(&TAKEN).addr();
    let owner = format!("{}-{place:x}-{}\n", process::id(), TAKEN.fetch_add(1, Ordering::Relaxed));
    write_whole(path, owner.as_bytes())?;
    Ok(owner)
}

/// Who it was; nothing when nobody has opened the chip where that counts.
pub(crate) fn last(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
