//! What the server has to answer, by packet id.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Answer;
use crate::{Filter, Message, Subscription};

/// Packet ids are 1 to 65535 (MQTT 5, section 2.2.1).
const IDS: usize = 65_535;

pub(super) enum Pending {
    Publish(PendingPublish),
    Subscribe(PendingSubscribe),
    Unsubscribe,
}

pub(super) struct PendingPublish {
    pub(super) topic: Bytes,
    pub(super) answer: Answer<()>,
}

pub(super) struct PendingSubscribe {
    pub(super) filter: Filter,
    pub(super) queue: mpsc::Receiver<Message>,
    pub(super) sender: mpsc::Sender<Message>,
    pub(super) answer: Answer<Subscription>,
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
    /// Gives the packet its id. `None` when all are taken, which the caller prevents with [`Self::free_ids`].
    pub(super) fn insert(&mut self, pending: Pending) -> Option<u16> {
        if self.free_ids() == 0 {
            return None;
        }
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.by_id.contains_key(&self.last_id) {
                break;
            }
        }
        self.publishes += usize::from(matches!(pending, Pending::Publish(_)));
        self.by_id.insert(self.last_id, pending);
        Some(self.last_id)
    }

    pub(super) fn take_publish(&mut self, id: u16) -> Option<PendingPublish> {
        match self.take_if(id, |pending| matches!(pending, Pending::Publish(_)))? {
            Pending::Publish(publish) => {
                self.publishes -= 1;
                Some(publish)
            }
            _ => None,
        }
    }

    pub(super) fn take_subscribe(&mut self, id: u16) -> Option<PendingSubscribe> {
        match self.take_if(id, |pending| matches!(pending, Pending::Subscribe(_)))? {
            Pending::Subscribe(subscribe) => Some(subscribe),
            _ => None,
        }
    }

    pub(super) fn take_unsubscribe(&mut self, id: u16) {
        self.take_if(id, |pending| matches!(pending, Pending::Unsubscribe));
    }

    pub(super) fn publishes(&self) -> usize {
        self.publishes
    }

    pub(super) fn free_ids(&self) -> usize {
        IDS - self.by_id.len()
    }

    /// The oldest, in words: the first behind the id that was given out last.
    pub(super) fn oldest(&self) -> Option<String> {
        let older = self.by_id.range((Bound::Excluded(self.last_id), Bound::Unbounded));
        older.chain(self.by_id.range(..=self.last_id)).find_map(|(_, pending)| match pending {
            Pending::Publish(publish) => {
                Some(format!("the message to '{}'", String::from_utf8_lossy(&publish.topic)))
            }
            Pending::Subscribe(subscribe) => Some(format!("the subscription to '{}'", subscribe.filter)),
            Pending::Unsubscribe => None,
        })
    }

    fn take_if(&mut self, id: u16, wanted: impl Fn(&Pending) -> bool) -> Option<Pending> {
        self.by_id.get(&id).filter(|pending| wanted(pending))?;
        self.by_id.remove(&id)
    }
}
