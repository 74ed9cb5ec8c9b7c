//! The messages in memory, by what is to become of them: the session's thread waits for no disk.
//!
//! With a durable outbox, messages of QoS 1 go to a [`Spool`] first, which loads a few at a time into this store.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use super::OutboxOptions;
use super::entry::{Entry, Status};
use crate::clock::{Moment, after};
use crate::{Error, QoS};

/// Names an accepted message: counted up, so that the order of the keys is the order of acceptance.
pub(crate) type Key = u64;

/// A wall clock that shows an earlier time than 2025 was not set yet, since the device was switched on.
pub(super) const CLOCK_IS_SET: Duration = Duration::from_secs(1_735_689_600);

/// How many empty slots there may be beside twice as many as values. Closing the gaps costs as much as there are slots.
const SPARE: usize = 64;
/// Most slots whose memory is kept while there is no value.
const KEPT: usize = 1024;

/// Where messages of QoS 1 are kept before they come into the [`Store`]. No call waits for a disk.
pub(super) trait Spool: Send + Sync {
    /// Takes the message, if there is room for it.
    fn offer(&self, entry: Entry, options: &OutboxOptions) -> Result<Offer, Error>;
    /// Messages were sent: the spool's number of each, and its packet id.
    fn sent(&self, messages: &[(Key, u16)]);
    /// Messages that came from the spool are done with.
    fn removed(&self, messages: Removed);
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

/// Messages that are removed, and what their senders are told once the lock is released.
pub(super) type Removed = Vec<(Entry, Result<(), Error>)>;

#[derive(Default)]
pub(super) struct Store {
    pub(super) entries: Slots<Entry>,
    pub(super) bytes: usize,
    last_key: Key,
    first_waiting: FirstWaiting,
    /// When messages that the server refused for now may be sent again. Some may have ended meanwhile.
    paused: BTreeSet<(Instant, Key)>,
    /// The messages that expire unless they are sent before, the next one first.
    expiries: BTreeSet<(SystemTime, Key)>,
    /// What the wall clock showed last.
    last_seen: Option<SystemTime>,
    pub(super) online: bool,
    /// What the session could send now.
    pub(super) wanted: Wanted,
    pub(super) ended: Option<Error>,
}

/// For each QoS, no message with a smaller key waits: nearly all come at the end and go at the front.
#[derive(Default)]
struct FirstWaiting {
    qos0: Key,
    qos1: Key,
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

impl Store {
    /// Adds a message. Returns whether the session is to be woken.
    pub(super) fn insert(&mut self, entry: Entry) -> bool {
        self.last_key += 1;
        let (key, qos) = (self.last_key, entry.qos);
        self.bytes += entry.bytes();
        self.expiries.extend(entry.expires.map(|expires| (expires, key)));
        self.entries.push(key, entry);
        let can_be_sent = match self.wanted {
            Wanted::Nothing => false,
            Wanted::Qos0 => qos == QoS::AtMostOnce,
            Wanted::All => true,
        };
        // It waits for the moment when the next message expires.
        can_be_sent || self.expiries.first().is_some_and(|(_, next)| *next == key)
    }

    pub(super) fn set(&mut self, key: Key, status: Status) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.status = status;
        if matches!(status, Status::Paused | Status::Aside) {
            // It is free for others.
            entry.packet_id = None;
        }
        let first = self.first_waiting.of(entry.qos);
        if status == Status::Waiting {
            *first = key.min(*first);
        } else if *first == key {
            *first += 1;
        }
        match entry.expires {
            // Its acknowledgement is awaited.
            Some(expires) if status == Status::InFlight => drop(self.expiries.remove(&(expires, key))),
            Some(expires) => drop(self.expiries.insert((expires, key))),
            None => {}
        }
    }

    /// The next message to send; of QoS 1 only with a `window`.
    pub(super) fn next(&mut self, window: bool) -> Option<Key> {
        let qos1 = if window { self.next_of(QoS::AtLeastOnce) } else { None };
        self.next_of(QoS::AtMostOnce).into_iter().chain(qos1).min()
    }

    pub(super) fn next_of(&mut self, qos: QoS) -> Option<Key> {
        let first = self.first_waiting.of(qos);
        let waits = |entry: &Entry| entry.qos == qos && entry.status == Status::Waiting;
        let next = self.entries.iter_from(*first).find(|(_, entry)| waits(entry)).map(|(key, _)| key);
        *first = next.unwrap_or(self.last_key + 1);
        next
    }

    /// The message is not sent again until then.
    pub(super) fn pause(&mut self, key: Key, until: Instant) {
        self.paused.insert((until, key));
        self.set(key, Status::Paused);
    }

    pub(super) fn resume(&mut self, now: Instant) {
        while let Some((_, key)) = self.paused.first().copied().filter(|(until, _)| *until <= now) {
            self.paused.pop_first();
            if self.entries.get(key).is_some_and(|entry| entry.status == Status::Paused) {
                self.set(key, Status::Waiting);
            }
        }
    }

    /// When the next message is to be sent again. One that is due goes with the next one that is sent.
    pub(super) fn next_resumption(&self, now: Instant) -> Option<Instant> {
        self.paused.iter().map(|(until, _)| *until).find(|until| *until > now)
    }

    /// When the next message expires.
    pub(super) fn next_expiry(&self, now: Moment) -> Option<Instant> {
        let (expires, _) = self.expiries.first()?;
        // Rounded up, or it would be waited for many times over.
        let left = expires.duration_since(now.wall).unwrap_or_default();
        Some(after(now.instant, left + Duration::from_millis(1)))
    }

    /// Removes what has expired.
    pub(super) fn expire(&mut self, now: SystemTime, removed: &mut Removed) {
        let is_set = SystemTime::UNIX_EPOCH + CLOCK_IS_SET;
        if let Some(before) = self.last_seen.replace(now).filter(|before| *before < is_set && is_set <= now) {
            // Not so many years have passed: a device without a battery for its clock has heard from a time server.
            self.clock_was_set(now.duration_since(before).unwrap_or_default());
        }
        while let Some((_, key)) = self.expiries.first().copied().filter(|(expires, _)| *expires <= now) {
            self.fail(key, |entry| Error::Expired { topic: entry.topic(), sent: entry.sent }, removed);
        }
    }

    /// The wall clock was put forward: no time has passed.
    fn clock_was_set(&mut self, by: Duration) {
        let later = |time: SystemTime| time.checked_add(by).unwrap_or(time);
        let is_set = SystemTime::UNIX_EPOCH + CLOCK_IS_SET;
        for entry in self.entries.values_mut().filter(|entry| entry.accepted < is_set) {
            (entry.accepted, entry.expires) = (later(entry.accepted), entry.expires.map(later));
        }
        let expires = |key: Key| self.entries.get(key).and_then(|entry| entry.expires);
        self.expiries = self.expiries.iter().filter_map(|(_, key)| Some((expires(*key)?, *key))).collect();
    }

    pub(super) fn fail(&mut self, key: Key, why: impl FnOnce(&Entry) -> Error, removed: &mut Removed) {
        removed.extend(self.take(key).map(|entry| {
            let error = why(&entry);
            (entry, Err(error))
        }));
    }

    pub(super) fn take(&mut self, key: Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.bytes -= entry.bytes();
        if let Some(expires) = entry.expires {
            self.expiries.remove(&(expires, key));
        }
        Some(entry)
    }

    /// Whether there is room for one more message of so many bytes.
    pub(super) fn has_room(&self, options: &OutboxOptions, bytes: usize) -> bool {
        fits(options, self.entries.len(), self.bytes.saturating_add(bytes))
    }

    /// Drops the oldest messages that were not sent, unless that is not enough for a message of so many bytes.
    pub(super) fn make_room(&mut self, options: &OutboxOptions, bytes: usize, removed: &mut Removed) {
        let (mut messages, mut used) = (self.entries.len(), self.bytes.saturating_add(bytes));
        let mut oldest = Vec::new();
        let mut unsent = self.entries.iter_from(0).filter(|(_, entry)| entry.is_unsent());
        while !fits(options, messages, used) {
            let Some((key, entry)) = unsent.next() else { return };
            (messages, used) = (messages - 1, used - entry.bytes());
            oldest.push(key);
        }
        drop(unsent);
        // A message that is larger than the whole outbox is not worth all the others.
        if bytes > options.bytes && !oldest.is_empty() {
            return;
        }
        for key in oldest {
            self.fail(key, |entry| Error::Dropped { topic: entry.topic() }, removed);
        }
    }
}

impl FirstWaiting {
    fn of(&mut self, qos: QoS) -> &mut Key {
        match qos {
            QoS::AtMostOnce => &mut self.qos0,
            QoS::AtLeastOnce => &mut self.qos1,
        }
    }
}

/// Whether a message may come to so many others, all of them with so many bytes. A single one always may.
fn fits(options: &OutboxOptions, others: usize, bytes: usize) -> bool {
    others == 0 || (others < options.messages && bytes <= options.bytes)
}

/// Values by ascending keys, of which nearly all are added at the end and removed at the front: a tree is slow at that.
pub(super) struct Slots<T> {
    /// Without the empty ones at the front.
    slots: VecDeque<(Key, Option<T>)>,
    values: usize,
}

impl<T> Slots<T> {
    /// The key has to be larger than all before.
    pub(super) fn push(&mut self, key: Key, value: T) {
        debug_assert!(self.slots.back().is_none_or(|(last, _)| *last < key));
        self.slots.push_back((key, Some(value)));
        self.values += 1;
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        self.slots.get(self.index(key).ok()?)?.1.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let index = self.index(key).ok()?;
        self.slots.get_mut(index)?.1.as_mut()
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let index = self.index(key).ok()?;
        let value = self.slots.get_mut(index)?.1.take()?;
        self.values -= 1;
        while self.slots.pop_front_if(|(_, value)| value.is_none()).is_some() {}
        if self.slots.len() > 2 * self.values + SPARE {
            self.slots.retain(|(_, value)| value.is_some());
        }
        if self.slots.is_empty() {
            self.slots.shrink_to(KEPT);
        }
        Some(value)
    }

    /// The values from that key on.
    pub(super) fn iter_from(&self, key: Key) -> impl Iterator<Item = (Key, &T)> {
        let from = self.index(key).unwrap_or_else(|index| index);
        self.slots.range(from..).filter_map(|(key, value)| Some((*key, value.as_ref()?)))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|(_, value)| value.as_mut())
    }

    pub(super) fn len(&self) -> usize {
        self.values
    }

    /// Where the key is, or would be.
    fn index(&self, key: Key) -> Result<usize, usize> {
        let first = self.slots.front().map_or(0, |(first, _)| *first);
        let from_first = usize::try_from(key.saturating_sub(first)).unwrap_or(usize::MAX);
        // Right where no gap was closed.
        match self.slots.get(from_first) {
            Some((there, _)) if *there == key => Ok(from_first),
            _ if self.slots.back().is_none_or(|(last, _)| *last < key) => Err(self.slots.len()),
            _ => self.slots.binary_search_by_key(&key, |(there, _)| *there),
        }
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slots: VecDeque::new(), values: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn slots_do_what_a_map_does(removals in vec((any::<prop::sample::Index>(), 0_u64..3), 0..500)) {
            let (mut slots, mut map) = (Slots::default(), BTreeMap::new());
            let mut key = 0;
            for (removed, skipped) in removals {
                // Two come and one goes, from anywhere, until the half.
                for _ in 0..2 {
                    key += 1 + skipped;
                    slots.push(key, key * 10);
                    map.insert(key, key * 10);
                }
                let removed = removed.index(key as usize + 1) as Key;
                prop_assert_eq!(slots.remove(removed), map.remove(&removed));
                prop_assert_eq!(slots.get(removed), None);
                prop_assert_eq!(slots.len(), map.len());
                prop_assert!(slots.slots.len() <= 2 * slots.values + SPARE);
            }
            prop_assert!(slots.iter_from(0).eq(map.iter().map(|(key, value)| (*key, value))));
            for (key, value) in map {
                prop_assert_eq!(slots.get_mut(key), Some(&mut value.clone()));
                prop_assert_eq!(slots.remove(key), Some(value));
            }
            prop_assert!(slots.slots.is_empty());
        }
    }
}
