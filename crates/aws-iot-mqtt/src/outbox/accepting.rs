//! The application's side of the outbox: what becomes of a message that is offered.

use std::pin::pin;
use std::sync::MutexGuard;

use super::state::{Removed, State};
use super::store::{Key, Offer};
use super::{Entry, OfflineQos0, Outbox, WhenFull};
use crate::{Error, QoS};

impl Outbox {
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
            entry = match self.offer(entry)? {
                Some(entry) => entry,
                None => return Ok(()),
            };
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
            self.can_accept(&self.state(), &entry)?;
            // It reads the whole message: not under the lock that the session's thread takes.
            entry = match spool.offer(entry, &self.options)? {
                Offer::Accepted => return Ok(None),
                Offer::NoRoom(entry) => return Ok(self.no_room(entry)),
                Offer::Memory(entry) => entry,
            };
        }
        let mut removed = Removed::default();
        let mut state = self.state();
        self.can_accept(&state, &entry)?;
        let bytes = entry.bytes();
        if !state.has_room(&self.options, bytes) {
            state.expire(entry.accepted, &mut removed);
        }
        if self.options.when_full == WhenFull::DropOldest {
            state.make_room(&self.options, bytes, &mut removed);
        }
        let left = if state.has_room(&self.options, bytes) {
            self.insert(state, [entry]);
            None
        } else {
            drop(state);
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
        self.report(Removed(vec![(entry, Err(Error::Dropped { topic }))]));
        None
    }

    fn can_accept(&self, state: &State, entry: &Entry) -> Result<(), Error> {
        match &state.ended {
            Some(ended) => Err(ended.clone()),
            None if entry.qos == QoS::AtMostOnce
                && !state.online
                && self.options.offline_qos0 == OfflineQos0::Refuse =>
            {
                Err(Error::Offline { topic: entry.topic() })
            }
            None => Ok(()),
        }
    }

    /// Takes messages that come from the disk, in their order.
    #[cfg(feature = "durable")]
    pub(super) fn load(&self, entries: Vec<Entry>) {
        self.insert(self.state(), entries);
    }

    fn insert(&self, mut state: MutexGuard<'_, State>, entries: impl IntoIterator<Item = Entry>) {
        let wake = entries.into_iter().fold(false, |wake, entry| state.insert(entry) | wake);
        drop(state);
        if wake {
            self.session.wake();
        }
    }

    /// Drops the oldest message that came from the disk and was not sent. Returns whether there was one.
    #[cfg(feature = "durable")]
    pub(super) fn drop_oldest(&self) -> bool {
        self.change(|state, removed| {
            let is_unsent =
                |key: &Key| state.store.get(*key).is_some_and(|entry| entry.stored.is_some() && !entry.sent);
            let oldest = state.waiting.qos1.iter().copied().find(is_unsent);
            oldest
                .inspect(|key| state.fail(*key, |entry| Error::Dropped { topic: entry.topic() }, removed))
                .is_some()
        })
    }

    fn full(&self, entry: &Entry) -> Error {
        let (messages, bytes) = self.depth();
        Error::OutboxFull { topic: entry.topic(), messages, bytes }
    }
}
