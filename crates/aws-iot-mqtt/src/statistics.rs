//! What the client has done so far, counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Error;

/// What a client has done so far. See [`Client::statistics`](crate::Client::statistics).
#[derive(Debug, Clone)]
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

/// The same while it grows.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connects: Counter,
    pub(crate) failed_attempts: Counter,
    pub(crate) publishes: Counter,
    pub(crate) repetitions: Counter,
    pub(crate) acknowledged: Counter,
    pub(crate) refused: Counter,
    pub(crate) dropped: Counter,
    pub(crate) received: Counter,
    pub(crate) unwanted: Counter,
    pub(crate) received_dropped: Counter,
    pub(crate) bytes_sent: Counter,
    pub(crate) bytes_received: Counter,
    pub(crate) in_flight: Counter,
    pub(crate) set_aside: Counter,
    pub(crate) stored_bytes: Counter,
    last_error: Mutex<Option<Error>>,
}

/// One number.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, count: usize) {
        self.0.store(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn failed(&self, error: &Error) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
    }

    pub(crate) fn read(
        &self,
        (outbox_messages, outbox_bytes): (usize, usize),
        outbox_oldest: Option<Duration>,
    ) -> Statistics {
        let connects = self.connects.get();
        Statistics {
            connects,
            reconnects: connects.saturating_sub(1),
            failed_attempts: self.failed_attempts.get(),
            publishes: self.publishes.get(),
            repetitions: self.repetitions.get(),
            acknowledged: self.acknowledged.get(),
            refused: self.refused.get(),
            dropped: self.dropped.get(),
            received: self.received.get(),
            unwanted: self.unwanted.get(),
            received_dropped: self.received_dropped.get(),
            bytes_sent: self.bytes_sent.get(),
            bytes_received: self.bytes_received.get(),
            in_flight: self.in_flight.get(),
            outbox_messages,
            outbox_bytes,
            outbox_oldest,
            set_aside: self.set_aside.get(),
            stored_bytes: self.stored_bytes.get(),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
