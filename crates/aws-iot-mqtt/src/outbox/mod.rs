//! Every accepted message, from its acceptance to its end: acknowledged, refused, expired or dropped.
//!
//! Shared between the application's threads and the session's. The session knows a message by its [`Key`] alone.

#[cfg(feature = "durable")]
pub mod durable;
mod entry;
mod options;
mod sending;
mod store;
#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

pub use self::entry::Receipt;
pub(crate) use self::entry::{Answer, Entry, Status, reply};
pub use self::options::{OfflineQos0, OutboxOptions, WhenFull};
pub(crate) use self::sending::Sending;
pub(crate) use self::store::Key;
use self::store::{Offer, Removed, Spool, Store};
use crate::event::Hub;
use crate::statistics::Counters;
use crate::{Error, Event, QoS};

pub(crate) struct Outbox {
    options: OutboxOptions,
    store: Mutex<Store>,
    /// Where messages of QoS 1 are kept first: a disk.
    spool: OnceLock<Arc<dyn Spool>>,
    session: Arc<Notify>,
    /// Notified when there is room again.
    room: Notify,
    hub: Arc<Hub>,
    counters: Arc<Counters>,
}

impl Outbox {
    /// `session` is woken when a message comes in that concerns it now.
    pub(crate) fn new(
        options: OutboxOptions,
        session: Arc<Notify>,
        hub: Arc<Hub>,
        counters: Arc<Counters>,
    ) -> Self {
        let (store, spool, room) = (Mutex::default(), OnceLock::new(), Notify::new());
        Self { options, store, spool, session, room, hub, counters }
    }

    /// Accepts the message, or fails. It waits for room only with [`WhenFull::Wait`].
    pub(crate) async fn put(&self, entry: Entry) -> Result<(), Error> {
        let Some(mut entry) = self.offer(entry)? else { return Ok(()) };
        if self.options.when_full != WhenFull::Wait {
            return Err(self.full(&entry));
        }
        loop {
            let mut room = pin!(self.room.notified());
            // Before the next attempt, or a notification between attempt and wait would be missed.
            room.as_mut().enable();
            let Some(left) = self.offer(entry)? else { return Ok(()) };
            entry = left;
            room.await;
        }
    }

    /// Accepts the message now, or fails.
    pub(crate) fn try_put(&self, entry: Entry) -> Result<(), Error> {
        self.offer(entry)?.map_or(Ok(()), |entry| Err(self.full(&entry)))
    }

    /// Gives the message back where there is no room for it.
    fn offer(&self, mut entry: Entry) -> Result<Option<Entry>, Error> {
        entry.expire_after(self.options.max_age);
        if let Some(spool) = self.spool.get().filter(|_| entry.qos == QoS::AtLeastOnce) {
            self.can_accept(&self.store(), &entry)?;
            // It reads the whole message: not under the lock that the session's thread takes.
            entry = match spool.offer(entry, &self.options)? {
                Offer::Accepted => return Ok(None),
                Offer::NoRoom(entry) => return Ok(self.no_room(entry)),
                Offer::Memory(entry) => entry,
            };
        }
        let mut removed = Removed::default();
        let mut store = self.store();
        self.can_accept(&store, &entry)?;
        let bytes = entry.bytes();
        if !store.has_room(&self.options, bytes) {
            store.expire(entry.accepted, &mut removed);
        }
        if self.options.when_full == WhenFull::DropOldest {
            store.make_room(&self.options, bytes, &mut removed);
        }
        let left = if store.has_room(&self.options, bytes) {
            self.insert(store, [entry]);
            None
        } else {
            drop(store);
            self.no_room(entry)
        };
        self.report(removed);
        Ok(left)
    }

    /// What becomes of a message for which there is no room: it is given back, or dropped.
    fn no_room(&self, entry: Entry) -> Option<Entry> {
        if matches!(self.options.when_full, WhenFull::Wait | WhenFull::Refuse) {
            return Some(entry);
        }
        let topic = entry.topic();
        self.report(vec![(entry, Err(Error::Dropped { topic }))]);
        None
    }

    fn can_accept(&self, store: &Store, entry: &Entry) -> Result<(), Error> {
        let refuses = self.options.offline_qos0 == OfflineQos0::Refuse;
        match &store.ended {
            Some(ended) => Err(ended.clone()),
            None if entry.qos == QoS::AtMostOnce && !store.online && refuses => {
                Err(Error::Offline { topic: entry.topic() })
            }
            None => Ok(()),
        }
    }

    /// Takes messages that come from the disk, in their order.
    #[cfg(feature = "durable")]
    fn load(&self, entries: Vec<Entry>) {
        self.insert(self.store(), entries);
    }

    fn insert(&self, mut store: MutexGuard<'_, Store>, entries: impl IntoIterator<Item = Entry>) {
        let wake = entries.into_iter().fold(false, |wake, entry| store.insert(entry) | wake);
        drop(store);
        if wake {
            self.session.notify_one();
        }
    }

    /// Drops the oldest message that came from the disk and was not sent. Returns whether there was one.
    #[cfg(feature = "durable")]
    fn drop_oldest(&self) -> bool {
        self.change(|store, removed| {
            let mut unsent = store.entries.iter_from(0).filter(|(_, entry)| entry.is_unsent());
            let oldest = unsent.find(|(_, entry)| entry.stored.is_some()).map(|(key, _)| key);
            drop(unsent);
            oldest
                .inspect(|key| store.fail(*key, |entry| Error::Dropped { topic: entry.topic() }, removed))
                .is_some()
        })
    }

    fn full(&self, entry: &Entry) -> Error {
        let (messages, bytes) = self.depth();
        Error::OutboxFull { topic: entry.topic(), messages, bytes }
    }

    /// `None` where the message is done with.
    pub(crate) fn topic(&self, key: Key) -> Option<String> {
        self.store().entries.get(key).map(Entry::topic)
    }

    /// No message is accepted from now on; those that wait are still sent.
    pub(crate) fn close(&self) {
        self.store().ended.get_or_insert(Error::Closed);
        self.room.notify_waiters();
    }

    /// No message is accepted from now on, and those that are here fail with `why`.
    pub(crate) fn fail_all(&self, why: &Error) {
        let mut store = self.store();
        store.ended = Some(why.clone());
        let keys: Vec<Key> = store.entries.iter_from(0).map(|(key, _)| key).collect();
        let removed: Vec<Entry> = keys.into_iter().filter_map(|key| store.take(key)).collect();
        drop(store);
        // No event for each: the event of the client's end tells their number.
        for entry in removed {
            reply(entry.answer, Err(why.clone()));
        }
        // What is on the disk stays there.
        if let Some(spool) = self.spool.get() {
            spool.close();
        }
        self.room.notify_waiters();
    }

    /// How many messages are here, and what they take in memory, in bytes; on the disk, where they are there.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let (in_memory, bytes) = {
            let store = self.store();
            (store.entries.len(), store.bytes)
        };
        let Some(spool) = self.spool.get() else { return (in_memory, bytes) };
        let (messages, bytes, loaded) = spool.depth();
        (messages + in_memory.saturating_sub(loaded), bytes)
    }

    /// Waits until what was accepted is on the disk, if there is one.
    pub(crate) fn wait_until_stored(&self) {
        if let Some(spool) = self.spool.get() {
            spool.wait_until_closed();
        }
    }

    /// How long the oldest message has been here.
    pub(crate) fn oldest_age(&self, now: SystemTime) -> Option<Duration> {
        let store = self.store();
        let oldest = store.entries.iter_from(0).next();
        oldest.map(|(_, entry)| now.duration_since(entry.accepted).unwrap_or_default())
    }

    /// Changes the store, and tells the senders of what was removed.
    fn change<R>(&self, change: impl FnOnce(&mut Store, &mut Removed) -> R) -> R {
        let mut removed = Removed::default();
        let result = change(&mut self.store(), &mut removed);
        self.report(removed);
        result
    }

    /// Tells the senders. Not under the lock: whoever is told finds the room.
    fn report(&self, removed: Removed) {
        if removed.is_empty() {
            return;
        }
        self.room.notify_waiters();
        let mut stored = Vec::new();
        for (entry, result) in removed {
            match &result {
                Err(error @ (Error::Dropped { topic } | Error::Expired { topic, .. })) => {
                    self.counters.lock().dropped += 1;
                    self.hub.tell(Event::MessageDropped { topic: topic.clone(), error: error.clone() });
                }
                Err(Error::Offline { .. }) | Ok(()) => {}
                Err(error) => {
                    self.counters.lock().refused += 1;
                    let topic = entry.topic();
                    tracing::warn!(error = %error.report(), "a message was not taken");
                    self.hub.tell(Event::PublishRefused { topic, error: error.clone() });
                }
            }
            if entry.stored.is_some() {
                stored.push((entry, result));
            } else {
                reply(entry.answer, result);
            }
        }
        if let Some(spool) = self.spool.get().filter(|_| !stored.is_empty()) {
            spool.removed(stored);
        }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        // Nothing in here panics while it holds the lock.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
