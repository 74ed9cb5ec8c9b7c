//! What the client has done so far, counted.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Error;

/// What a client has done so far. See [`Client::statistics`](crate::Client::statistics).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Connections that the server has agreed to.
    pub connects: u64,
    /// Those of them that came after an earlier one.
    pub reconnects: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// PUBLISH packets written to the connection, repetitions included.
    pub publishes: u64,
    /// Those of them that repeat a message, after a reconnect or after a refusal for now (quota exceeded).
    pub repetitions: u64,
    /// QoS 1 messages that the server has acknowledged.
    pub acknowledged: u64,
    /// Messages that were not taken: refused by the server, or by a limit that it named.
    pub refused: u64,
    /// Messages that were given up: the outbox was full, or they had expired.
    pub dropped: u64,
    /// Messages received.
    pub received: u64,
    /// Received messages that belong to no subscription of this client.
    pub unwanted: u64,
    /// Received messages that were dropped because their reader was too slow.
    pub received_dropped: u64,
    /// Bytes of MQTT written, without TLS.
    pub bytes_sent: u64,
    /// Bytes of MQTT read, without TLS.
    pub bytes_received: u64,
    /// QoS 1 messages that are sent and not acknowledged now.
    pub in_flight: u64,
    /// Messages in the outbox now, sent or not.
    pub outbox_messages: usize,
    /// What they take in memory, in bytes; on the disk, with a durable outbox.
    pub outbox_bytes: usize,
    /// How long the oldest of them has been there.
    pub outbox_oldest: Option<Duration>,
    /// Messages and damaged records that the durable outbox has set aside.
    pub set_aside: u64,
    /// Bytes that the durable outbox has written to its files. The file system writes more: whole blocks, and its journal.
    pub stored_bytes: u64,
    /// Why the last connection, or the last attempt, failed.
    pub last_error: Option<Error>,
}

/// The same while it grows. The outbox counts its own messages.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<Statistics>);

impl Counters {
    /// Held while it is counted, and no longer: whoever publishes and the session both count.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Statistics> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
