//! The messages of the outbox, by what is to become of them.

use std::collections::{BTreeSet, VecDeque, vec_deque};
use std::time::{Duration, Instant, SystemTime};

use super::OutboxOptions;
use super::entry::Entry;
use super::store::{Key, Store};
use crate::clock::{Moment, after};
use crate::{Error, QoS};

/// A wall clock that shows an earlier time than 2025 was not set yet, since the device was switched on.
pub(super) const CLOCK_IS_SET: Duration = Duration::from_secs(1_735_689_600);

#[derive(Default)]
pub(super) struct State {
    pub(super) store: Store,
    /// Messages that may be sent, in order.
    pub(super) waiting: Waiting,
    /// QoS 1 messages that the server refused for now, and when each may be sent again.
    pub(super) paused: BTreeSet<(Instant, Key)>,
    pub(super) online: bool,
    /// What the session could send now.
    pub(super) wanted: Wanted,
    pub(super) ended: Option<Error>,
    /// What the wall clock showed last.
    last_seen: Option<SystemTime>,
}

/// For which messages the session is woken.
#[derive(Default)]
pub(super) enum Wanted {
    /// There is no connection, or it takes nothing more for now.
    #[default]
    Nothing,
    /// As many of QoS 1 as the server takes are unacknowledged.
    Qos0,
    All,
}

#[derive(Default)]
pub(super) struct Waiting {
    pub(super) qos0: Keys,
    pub(super) qos1: Keys,
}

/// Keys in ascending order. Nearly all come at the end and go at the front, which a tree is slow at.
#[derive(Default)]
pub(super) struct Keys(pub(super) VecDeque<Key>);

/// Messages that are removed, and what their senders are told once the lock is released.
#[derive(Default)]
pub(super) struct Removed(pub(super) Vec<(Entry, Result<(), Error>)>);

impl State {
    /// Adds a message. Returns whether the session is to be woken.
    pub(super) fn insert(&mut self, entry: Entry) -> bool {
        let qos = entry.qos;
        let key = self.store.insert(entry);
        self.waiting.of(qos).insert(key);
        let can_be_sent = match self.wanted {
            Wanted::Nothing => false,
            Wanted::Qos0 => qos == QoS::AtMostOnce,
            Wanted::All => true,
        };
        // It waits for the moment when the next message expires.
        can_be_sent || self.store.next_expiry().is_some_and(|(_, next)| next == key)
    }

    /// The next message to send.
    pub(super) fn next(&self, window: bool) -> Option<Key> {
        let Waiting { qos0, qos1 } = &self.waiting;
        qos0.first().into_iter().chain(qos1.first().filter(|_| window)).min()
    }

    /// When the next message expires.
    pub(super) fn next_expiry(&self, now: Moment) -> Option<Instant> {
        let (expires, _) = self.store.next_expiry()?;
        // Rounded up, or it would be waited for many times over.
        let left = expires.duration_since(now.wall).unwrap_or_default();
        Some(after(now.instant, left + Duration::from_millis(1)))
    }

    pub(super) fn remove(&mut self, key: Key, result: Result<(), Error>, removed: &mut Removed) {
        removed.0.extend(self.take(key).map(|entry| (entry, result)));
    }

    pub(super) fn fail(&mut self, key: Key, why: impl FnOnce(&Entry) -> Error, removed: &mut Removed) {
        removed.0.extend(self.take(key).map(|entry| {
            let error = why(&entry);
            (entry, Err(error))
        }));
    }

    pub(super) fn take(&mut self, key: Key) -> Option<Entry> {
        let entry = self.store.remove(key)?;
        self.waiting.of(entry.qos).remove(&key);
        if entry.refused.is_some() {
            self.paused.retain(|(_, paused)| *paused != key);
        }
        Some(entry)
    }

    pub(super) fn resume(&mut self, now: Instant) {
        while let Some((again, key)) = self.paused.first().copied().filter(|(again, _)| *again <= now) {
            self.paused.remove(&(again, key));
            self.waiting.qos1.insert(key);
        }
    }

    /// Removes what has expired.
    pub(super) fn expire(&mut self, now: SystemTime, removed: &mut Removed) {
        let is_set = SystemTime::UNIX_EPOCH + CLOCK_IS_SET;
        if let Some(before) = self.last_seen.replace(now).filter(|before| *before < is_set && is_set <= now) {
            // Not so many years have passed: a device without a battery for its clock has heard from a time server.
            self.store.clock_was_set(now.duration_since(before).unwrap_or_default());
        }
        while let Some((_, key)) = self.store.next_expiry().filter(|(expires, _)| *expires <= now) {
            self.fail(key, |entry| Error::Expired { topic: entry.topic(), sent: entry.sent }, removed);
        }
    }

    /// Whether there is room for one more message of so many bytes.
    pub(super) fn has_room(&self, options: &OutboxOptions, bytes: usize) -> bool {
        let OutboxOptions { messages, bytes: most, .. } = *options;
        let (now, used) = (self.store.len(), self.store.bytes());
        now == 0 || (now < messages && used.saturating_add(bytes) <= most)
    }

    /// Drops the oldest messages that were not sent, unless that is not enough for a message of so many bytes.
    pub(super) fn make_room(&mut self, options: &OutboxOptions, bytes: usize, removed: &mut Removed) {
        let OutboxOptions { messages, bytes: most, .. } = *options;
        let (mut now, mut used) = (self.store.len(), self.store.bytes());
        let mut oldest = Vec::new();
        // The keys of both in one order.
        let Waiting { qos0, qos1 } = &self.waiting;
        let (mut qos0, mut qos1) = (qos0.iter().peekable(), qos1.iter().peekable());
        while now > 0 && !(now < messages && used.saturating_add(bytes) <= most) {
            let next = match (qos0.peek(), qos1.peek()) {
                (Some(one), Some(other)) if one < other => qos0.next(),
                (_, Some(_)) => qos1.next(),
                (Some(_), None) => qos0.next(),
                (None, None) => return,
            };
            let Some((key, entry)) = next.and_then(|key| Some((*key, self.store.get(*key)?))) else {
                return;
            };
            if !entry.sent {
                (now, used) = (now - 1, used - entry.bytes());
                oldest.push(key);
            }
        }
        // A message that is larger than the whole outbox is not worth all the others.
        if bytes > most && !oldest.is_empty() {
            return;
        }
        for key in oldest {
            self.fail(key, |entry| Error::Dropped { topic: entry.topic() }, removed);
        }
    }
}

impl Waiting {
    pub(super) fn of(&mut self, qos: QoS) -> &mut Keys {
        match qos {
            QoS::AtMostOnce => &mut self.qos0,
            QoS::AtLeastOnce => &mut self.qos1,
        }
    }
}

impl Keys {
    pub(super) fn first(&self) -> Option<Key> {
        self.0.front().copied()
    }

    pub(super) fn iter(&self) -> vec_deque::Iter<'_, Key> {
        self.0.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, key: Key) {
        if self.0.back().is_none_or(|last| *last < key) {
            self.0.push_back(key);
        } else if let Err(index) = self.0.binary_search(&key) {
            self.0.insert(index, key);
        }
    }

    pub(super) fn remove(&mut self, key: &Key) {
        match self.0.front() {
            Some(first) if first == key => drop(self.0.pop_front()),
            // A message that was sent is older than those that wait, as a rule.
            Some(first) if first < key => {
                if let Ok(index) = self.0.binary_search(key) {
                    self.0.remove(index);
                }
            }
            _ => {}
        }
    }
}
