//! An outbox on a disk: messages of QoS 1 survive a power failure.
//!
//! See [`Builder::durable`](crate::Builder::durable). The functions here look into a store without a client.

// The way of a message: `DiskSpool::offer` (spool.rs) hands it to the thread of `Worker` (worker.rs), which appends it to the `Log`
// (log.rs), syncs, and only then tells whoever published it. The worker loads a few messages at a time from the log into the
// memory that the session sends from, and writes down what became of them.

mod files;
mod group_commit;
mod inspect;
mod log;
mod message;
mod progress;
mod reader;
mod record;
mod segment;
mod set_aside;
mod spool;
#[cfg(test)]
mod tests;
mod worker;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::inspect::{Status, StoredMessages, clear, messages, set_aside, status};
pub use self::message::StoredMessage;
pub use self::progress::Totals;
#[cfg(any(test, fuzzing))]
pub(crate) use self::record::fuzz;
pub use self::set_aside::{SetAsideContent, SetAsideItem};
pub(crate) use self::spool::open;
use crate::{Cause, Error};

/// A durable outbox: QoS 1 messages wait on a disk, and survive a restart and a power failure.
///
/// How many messages and bytes it takes at most, how old they may become, and what happens when it is full is in
/// [`OutboxOptions`](crate::OutboxOptions).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "hand it to `Builder::durable`"]
pub struct DurableOptions {
    directory: PathBuf,
    commit: Commit,
    when_disk_fails: WhenDiskFails,
}

/// When a message is written to stable storage, and its receipt given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// At once; messages that come while another one is being written are written together.
    Each,
    /// Together with others: when the oldest one has waited for `delay`, or when `messages` are waiting. Wears the disk less.
    /// What waits is in memory: a power failure loses it, and so does a signal that kills the program.
    Batched {
        /// How long a message waits for others at most.
        delay: Duration,
        /// How many messages wait at most.
        messages: usize,
    },
}

/// What happens to messages while the disk cannot be written to: it is full, read-only, or broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenDiskFails {
    /// They are refused ([`Error::OutboxStore`](crate::Error::OutboxStore)) until it can be written to again.
    Refuse,
    /// They wait in memory, as without a durable outbox, and their receipt means that the server has them.
    Memory,
}

impl DurableOptions {
    /// A store in that directory, which is created if it does not exist. Each message is written at once; while the disk
    /// cannot be written to, messages are refused.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), commit: Commit::Each, when_disk_fails: WhenDiskFails::Refuse }
    }

    /// When a message is written to stable storage.
    pub fn commit(mut self, commit: Commit) -> Self {
        self.commit = commit;
        self
    }

    /// What happens while the disk cannot be written to.
    pub fn when_disk_fails(mut self, choice: WhenDiskFails) -> Self {
        self.when_disk_fails = choice;
        self
    }
}

fn failed(directory: &Path, doing: &'static str, error: io::Error) -> Error {
    Error::OutboxStore { directory: directory.display().to_string(), doing, source: Cause::new(error) }
}
