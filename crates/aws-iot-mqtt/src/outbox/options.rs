//! How much may wait for the server, and what happens when it is more.

use std::time::Duration;

/// How much may wait here for the server, sent or not, and what happens when it is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "hand it to `Builder::outbox`"]
pub struct OutboxOptions {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) max_age: Option<Duration>,
    pub(crate) when_full: WhenFull,
    pub(crate) offline_qos0: OfflineQos0,
}

/// What happens to a message for which the outbox has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// The call waits until there is room.
    Wait,
    /// The call fails ([`Error::OutboxFull`](crate::Error::OutboxFull)); the message was never accepted.
    Refuse,
    /// The oldest messages that were not sent yet make room, and are reported ([`Error::Dropped`](crate::Error)).
    /// Where that would not be enough, the new message is dropped, and no other.
    DropOldest,
    /// The new message is dropped, and reported like the others.
    DropNewest,
}

/// What happens to a message of QoS 0 while there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OfflineQos0 {
    /// It is refused ([`Error::Offline`](crate::Error::Offline)).
    Refuse,
    /// It waits in the outbox, like one of QoS 1.
    Queue,
}

impl OutboxOptions {
    /// 10 000 messages or 16 MiB, whichever comes first; calls wait for room; QoS 0 is refused while offline.
    pub const fn new() -> Self {
        Self {
            messages: 10_000,
            bytes: 16 * 1024 * 1024,
            max_age: None,
            when_full: WhenFull::Wait,
            offline_qos0: OfflineQos0::Refuse,
        }
    }

    /// Most messages, at least one.
    pub const fn messages(mut self, messages: usize) -> Self {
        self.messages = if messages == 0 { 1 } else { messages };
        self
    }

    /// Most bytes of memory, or of disk with a durable outbox: each message with its topic, its properties and its record. A
    /// message that is larger than this goes in only while the outbox is empty.
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// How long a message may wait, by the wall clock: the time that a device is suspended or restarted counts. What is
    /// older is dropped ([`Error::Expired`](crate::Error::Expired)). Without it, only a message's own expiry interval counts.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// What happens when it is full.
    pub const fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// What happens to QoS 0 while there is no connection.
    pub const fn offline_qos0(mut self, offline_qos0: OfflineQos0) -> Self {
        self.offline_qos0 = offline_qos0;
        self
    }
}

impl Default for OutboxOptions {
    fn default() -> Self {
        Self::new()
    }
}
