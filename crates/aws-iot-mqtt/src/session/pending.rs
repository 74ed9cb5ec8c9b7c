//! What the server has to answer, by packet id.

use std::collections::BTreeMap;

use super::asked::{Unwanted, Wanted};
use super::requests::Resubscribe;
use crate::queue::Entry;

/// Packet ids are 1 to 65535 (MQTT 5, section 2.2.1).
const IDS: usize = 65_535;

pub(super) enum Pending {
    Publish(Entry),
    /// The id of a message that an earlier connection sent: the server may know it, so nobody else gets it.
    Reserved,
    Subscribe(Vec<Wanted>),
    Resubscribe(Vec<Resubscribe>),
    Unsubscribe(Vec<Unwanted>),
}

/// Ids are given out round and round, whatever the window: an id that was answered late is not given out at once
/// again, and answers may come in any order.
#[derive(Default)]
pub(super) struct PendingTable {
    by_id: BTreeMap<u16, Pending>,
    publishes: usize,
    last_id: u16,
}

impl PendingTable {
    /// An id that nobody has. `None` when all are taken.
    pub(super) fn free_id(&mut self) -> Option<u16> {
        if self.free_ids() == 0 {
            return None;
        }
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.by_id.contains_key(&self.last_id) {
                return Some(self.last_id);
            }
        }
    }

    pub(super) fn insert(&mut self, id: u16, pending: Pending) {
        self.publishes += usize::from(matches!(pending, Pending::Publish(_)));
        self.by_id.insert(id, pending);
    }

    pub(super) fn take_publish(&mut self, id: u16) -> Option<Entry> {
        match self.take_if(id, |pending| matches!(pending, Pending::Publish(_)))? {
            Pending::Publish(entry) => {
                self.publishes -= 1;
                Some(entry)
            }
            _ => None,
        }
    }

    /// A subscription, first or repeated.
    pub(super) fn take_subscribe(&mut self, id: u16) -> Option<Pending> {
        self.take_if(id, |pending| matches!(pending, Pending::Subscribe(_) | Pending::Resubscribe(_)))
    }

    pub(super) fn take_unsubscribe(&mut self, id: u16) -> Option<Vec<Unwanted>> {
        match self.take_if(id, |pending| matches!(pending, Pending::Unsubscribe(_)))? {
            Pending::Unsubscribe(requests) => Some(requests),
            _ => None,
        }
    }

    /// The message that it was kept for is not sent again.
    pub(super) fn release(&mut self, id: u16) {
        self.take_if(id, |pending| matches!(pending, Pending::Reserved));
    }

    pub(super) fn publishes(&self) -> usize {
        self.publishes
    }

    pub(super) fn free_ids(&self) -> usize {
        IDS - self.by_id.len()
    }

    /// Everything, the oldest first.
    pub(super) fn take_all(&mut self) -> Vec<(u16, Pending)> {
        self.publishes = 0;
        let mut older = std::mem::take(&mut self.by_id);
        // The ids up to the one that was given out last are the younger ones.
        let younger = match self.last_id.checked_add(1) {
            Some(next) => {
                let rest = older.split_off(&next);
                std::mem::replace(&mut older, rest)
            }
            None => BTreeMap::new(),
        };
        older.into_iter().chain(younger).collect()
    }

    /// The oldest, in words: the first behind the id that was given out last.
    pub(super) fn oldest(&self) -> Option<String> {
        let next = self.last_id.saturating_add(1);
        let older = self.by_id.range(next..).filter(|(id, _)| **id > self.last_id);
        older.chain(self.by_id.range(..=self.last_id)).find_map(|(_, pending)| match pending {
            Pending::Publish(entry) => Some(format!("the message to '{}'", entry.topic())),
            Pending::Subscribe(wanted) => {
                wanted.first().map(|one| format!("the subscription to '{}'", one.filter))
            }
            Pending::Resubscribe(again) => {
                again.first().map(|one| format!("the subscription to '{}'", one.filter))
            }
            Pending::Reserved | Pending::Unsubscribe(_) => None,
        })
    }

    fn take_if(&mut self, id: u16, wanted: impl Fn(&Pending) -> bool) -> Option<Pending> {
        self.by_id.get(&id).filter(|pending| wanted(pending))?;
        self.by_id.remove(&id)
    }
}
