//! What the server has to answer, by packet id.

use std::collections::BTreeMap;

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
                self.set(self.last, what);
                return Some(self.last);
            }
        }
    }

    pub(super) fn set(&mut self, id: u16, what: Use) {
        self.release(id);
        self.publishes += usize::from(matches!(what, Use::Queued(_) | Use::Publish(_)));
        self.by_id.insert(id, what);
    }

    pub(super) fn get(&self, id: u16) -> Option<Use> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn release(&mut self, id: u16) {
        let publish = matches!(self.by_id.remove(&id), Some(Use::Queued(_) | Use::Publish(_)));
        self.publishes -= usize::from(publish);
    }

    /// How many messages are unacknowledged, written or not.
    pub(super) fn publishes(&self) -> usize {
        self.publishes
    }

    /// The messages that were written and are unacknowledged, each with its packet id.
    pub(super) fn in_flight(&self) -> impl Iterator<Item = (Key, u16)> {
        self.by_id.iter().filter_map(|(id, what)| match what {
            Use::Publish(key) => Some((*key, *id)),
            Use::Queued(_) | Use::Reserved | Use::Request => None,
        })
    }

    pub(super) fn clear(&mut self) {
        self.by_id.clear();
        self.publishes = 0;
    }
}
