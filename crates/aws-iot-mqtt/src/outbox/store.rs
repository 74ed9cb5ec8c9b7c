//! Where the session finds messages: in memory, so that its thread waits for no disk.
//!
//! With a durable outbox, messages of QoS 1 go to a [`Spool`] first, which loads a few at a time into this store.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::OutboxOptions;
use super::entry::Entry;
use super::slots::Slots;
use super::state::CLOCK_IS_SET;
use crate::Error;

/// Names an accepted message: counted up, so that the order of the keys is the order of acceptance.
pub(crate) type Key = u64;

/// Where messages of QoS 1 are kept before they come into the [`Store`]. No call waits for a disk.
pub(super) trait Spool: Send + Sync {
    /// Takes the message, if there is room for it.
    fn offer(&self, entry: Entry, options: &OutboxOptions) -> Result<Offer, Error>;
    /// Messages were sent: the spool's number of each, and its packet id.
    fn sent(&self, messages: &[(Key, u16)]);
    /// Messages that came from the spool are done with.
    fn removed(&self, messages: Vec<(Entry, Result<(), Error>)>);
    /// How many messages are in it, and their bytes. The third number: how many of them are in the [`Store`], too.
    fn depth(&self) -> (usize, usize, usize);
    /// No message is accepted from now on. What was accepted is written.
    fn close(&self);
    /// Waits until everything is written and the disk is let go, within a bound.
    fn wait_until_closed(&self);
}

/// What became of a message that was offered to a [`Spool`].
#[cfg_attr(not(feature = "durable"), expect(dead_code, reason = "without a disk, nothing is offered to it"))]
pub(super) enum Offer {
    Accepted,
    NoRoom(Entry),
    /// The disk has failed, and the application wants to go on in memory.
    Memory(Entry),
}

#[derive(Default)]
pub(super) struct Store {
    entries: Slots<Entry>,
    /// The messages that expire unless they are sent before, the next one first.
    expiries: BTreeSet<(SystemTime, Key)>,
    bytes: usize,
    last_key: Key,
}

impl Store {
    pub(super) fn insert(&mut self, entry: Entry) -> Key {
        self.last_key += 1;
        self.bytes += entry.bytes();
        self.expiries.extend(entry.expires.map(|expires| (expires, self.last_key)));
        self.entries.push(self.last_key, entry);
        self.last_key
    }

    pub(super) fn get(&self, key: Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries.get_mut(key)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.bytes -= entry.bytes();
        if let Some(expires) = entry.expires {
            self.expiries.remove(&(expires, key));
        }
        Some(entry)
    }

    /// A message that is in flight does not expire: its acknowledgement is awaited.
    pub(super) fn set_expiring(&mut self, key: Key, expiring: bool) {
        if !expiring && self.expiries.is_empty() {
            return;
        }
        let Some(expires) = self.entries.get(key).and_then(|entry| entry.expires) else { return };
        if expiring {
            self.expiries.insert((expires, key));
        } else {
            self.expiries.remove(&(expires, key));
        }
    }

    /// The wall clock was put forward: no time has passed.
    pub(super) fn clock_was_set(&mut self, by: Duration) {
        let later = |time: SystemTime| time.checked_add(by).unwrap_or(time);
        let is_set = SystemTime::UNIX_EPOCH + CLOCK_IS_SET;
        for entry in self.entries.values_mut().filter(|entry| entry.accepted < is_set) {
            (entry.accepted, entry.expires) = (later(entry.accepted), entry.expires.map(later));
        }
        let expires = |key: Key| self.entries.get(key).and_then(|entry| entry.expires);
        self.expiries = self.expiries.iter().filter_map(|(_, key)| Some((expires(*key)?, *key))).collect();
    }

    /// The message that expires next, and when.
    pub(super) fn next_expiry(&self) -> Option<(SystemTime, Key)> {
        self.expiries.first().copied()
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.entries.iter().map(|(key, _)| key).collect()
    }

    pub(super) fn oldest(&self) -> Option<&Entry> {
        self.entries.iter().next().map(|(_, entry)| entry)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
