//! What the server has to answer, by packet id.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::outbox::Key;

/// What a packet id is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A PUBLISH of QoS 1 that is not written yet.
    Queued(Key),
    /// A PUBLISH of QoS 1 that was written.
    Publish(Key),
    /// A message that an earlier connection sent: the server may know its id, so no other packet gets it.
    Reserved,
    /// A SUBSCRIBE or UNSUBSCRIBE.
    Request,
}

/// Ids are given out round and round, whatever the window: an id that was answered is not used again at once, and answers
/// may come in any order.
#[derive(Default)]
pub(super) struct PacketIds {
    by_id: BTreeMap<u16, Use>,
    publishes: usize,
    last: u16,
    /// The messages that were written, in this order, and when. The first is unacknowledged, others may be.
    written: VecDeque<(u16, Key, Instant)>,
}

impl PacketIds {
    /// An id that is not in use, taken for `what`. `None` when all 65535 are in use (MQTT 5, section 2.2.1).
    pub(super) fn take(&mut self, what: Use) -> Option<u16> {
        if self.by_id.len() >= usize::from(u16::MAX) {
            return None;
        }
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !self.by_id.contains_key(&self.last) {
                self.insert(self.last, what);
                return Some(self.last);
            }
        }
    }

    /// The id is taken for `what`, whatever it was taken for.
    pub(super) fn set(&mut self, id: u16, what: Use) {
        self.release(id);
        self.insert(id, what);
    }

    fn insert(&mut self, id: u16, what: Use) {
        self.publishes += usize::from(matches!(what, Use::Queued(_) | Use::Publish(_)));
        self.by_id.insert(id, what);
    }

    /// The last byte of a PUBLISH was written.
    pub(super) fn written(&mut self, id: u16, now: Instant) {
        if let Some(what) = self.by_id.get_mut(&id)
            && let Use::Queued(key) = *what
        {
            *what = Use::Publish(key);
            self.written.push_back((id, key, now));
        }
    }

    pub(super) fn get(&self, id: u16) -> Option<Use> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn release(&mut self, id: u16) {
        let publish = matches!(self.by_id.remove(&id), Some(Use::Queued(_) | Use::Publish(_)));
        self.publishes -= usize::from(publish);
        while let Some((first, key, _)) = self.written.front()
            && self.get(*first) != Some(Use::Publish(*key))
        {
            self.written.pop_front();
        }
    }

    /// How many messages are unacknowledged, written or not.
    pub(super) fn publishes(&self) -> usize {
        self.publishes
    }

    /// The message that has waited longest for its acknowledgement on this connection, and since when.
    pub(super) fn oldest_publish(&self) -> Option<(Key, Instant)> {
        self.written.front().map(|(_, key, written)| (*key, *written))
    }

    /// Forgets everything. Returns the messages that are unacknowledged: those that were written, each with its packet id,
    /// and the others.
    pub(super) fn clear(&mut self) -> (Vec<(Key, u16)>, Vec<Key>) {
        let (mut written, mut unwritten) = (Vec::new(), Vec::new());
        for (id, what) in std::mem::take(&mut self.by_id) {
            match what {
                Use::Publish(key) => written.push((key, id)),
                Use::Queued(key) => unwritten.push(key),
                Use::Reserved | Use::Request => {}
            }
        }
        self.written.clear();
        self.publishes = 0;
        (written, unwritten)
    }
}
