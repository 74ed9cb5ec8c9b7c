//! Where accepted messages are kept: in memory.
//!
//! A store on a disk would stand behind the same calls. It would write on a thread of its own, since the session's
//! thread waits for none of these calls.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use super::entry::Entry;

/// Names an accepted message: counted up, so that the order of the keys is the order of acceptance.
pub(crate) type Key = u64;

#[derive(Default)]
pub(super) struct Store {
    /// Boxed: a tree moves its values about.
    entries: BTreeMap<Key, Box<Entry>>,
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
        self.entries.insert(self.last_key, Box::new(entry));
        self.last_key
    }

    pub(super) fn get(&self, key: Key) -> Option<&Entry> {
        self.entries.get(&key).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries.get_mut(&key).map(Box::as_mut)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Entry> {
        let entry = self.entries.remove(&key)?;
        self.bytes -= entry.bytes();
        if let Some(expires) = entry.expires {
            self.expiries.remove(&(expires, key));
        }
        Some(*entry)
    }

    /// A message that is in flight does not expire: its acknowledgement is awaited.
    pub(super) fn set_expiring(&mut self, key: Key, expiring: bool) {
        if !expiring && self.expiries.is_empty() {
            return;
        }
        let Some(expires) = self.entries.get(&key).and_then(|entry| entry.expires) else { return };
        if expiring {
            self.expiries.insert((expires, key));
        } else {
            self.expiries.remove(&(expires, key));
        }
    }

    /// The wall clock was put forward: no time has passed.
    pub(super) fn clock_was_set(&mut self, by: Duration) {
        let later = |time: SystemTime| time.checked_add(by).unwrap_or(time);
        for entry in self.entries.values_mut() {
            (entry.accepted, entry.expires) = (later(entry.accepted), entry.expires.map(later));
        }
        self.expiries = self.expiries.iter().map(|(expires, key)| (later(*expires), *key)).collect();
    }

    /// The message that expires next, and when.
    pub(super) fn next_expiry(&self) -> Option<(SystemTime, Key)> {
        self.expiries.first().copied()
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.entries.keys().copied().collect()
    }

    pub(super) fn oldest(&self) -> Option<&Entry> {
        self.entries.first_key_value().map(|(_, entry)| entry.as_ref())
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
