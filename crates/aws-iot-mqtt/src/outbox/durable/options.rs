//! Where messages are stored, and when they count as stored.

use std::path::PathBuf;
use std::time::Duration;

/// Bytes of a segment. A segment is the smallest piece of disk that is given back.
const LARGEST_SEGMENT: u64 = 4 * 1024 * 1024;
const SMALLEST_SEGMENT: u64 = 64 * 1024;

/// A durable outbox: QoS 1 messages wait on a disk, and survive a restart and a power failure.
///
/// How many messages and bytes it takes at most, how old they may become, and what happens when it is full is in
/// [`OutboxOptions`](crate::OutboxOptions).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "hand it to `Builder::durable`"]
pub struct DurableOptions {
    pub(super) directory: PathBuf,
    pub(super) commit: Commit,
    pub(super) when_disk_fails: WhenDiskFails,
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

    /// A store of at most `bytes` gives disk back in pieces that are small beside it.
    pub(super) fn segment_bytes(&self, bytes: usize) -> u64 {
        (bytes as u64 / 8).clamp(SMALLEST_SEGMENT, LARGEST_SEGMENT)
    }
}
