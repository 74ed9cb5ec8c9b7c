//! Every accepted message, from its acceptance to its end: acknowledged, refused, expired or dropped.
//!
//! Shared between the application's threads and the session's. The session knows a message by its [`Key`] alone.

mod accepting;
#[cfg(feature = "durable")]
pub mod durable;
mod entry;
mod options;
mod sending;
mod slots;
mod state;
mod store;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

pub use self::entry::Receipt;
pub(crate) use self::entry::{Answer, Entry};
pub use self::options::{OfflineQos0, OutboxOptions, WhenFull};
pub(crate) use self::sending::Sending;
use self::state::{Removed, State};
pub(crate) use self::store::Key;
use self::store::Spool;
use crate::acknowledgement::SessionWaker;
use crate::event::Hub;
use crate::statistics::Counters;
use crate::{Error, Event};

pub(crate) struct Outbox {
    options: OutboxOptions,
    state: Mutex<State>,
    /// Where messages of QoS 1 are kept first: a disk.
    spool: OnceLock<Arc<dyn Spool>>,
    session: Arc<SessionWaker>,
    /// Notified when there is room again.
    room: Notify,
    hub: Arc<Hub>,
    counters: Arc<Counters>,
}

impl Outbox {
    /// `session` is woken when a message comes in that concerns it now.
    pub(crate) fn new(
        options: OutboxOptions,
        session: Arc<SessionWaker>,
        hub: Arc<Hub>,
        counters: Arc<Counters>,
    ) -> Self {
        let (state, spool, room) = (Mutex::default(), OnceLock::new(), Notify::new());
        Self { options, state, spool, session, room, hub, counters }
    }

    /// Whether the message is not done with.
    pub(crate) fn contains(&self, key: Key) -> bool {
        self.state().store.get(key).is_some()
    }

    pub(crate) fn topic(&self, key: Key) -> Option<String> {
        self.state().store.get(key).map(Entry::topic)
    }

    /// No message is accepted from now on; those that wait are still sent.
    pub(crate) fn close(&self) {
        self.state().ended.get_or_insert(Error::Closed);
        self.room.notify_waiters();
    }

    /// No message is accepted from now on, and those that are here fail with `why`.
    pub(crate) fn fail_all(&self, why: &Error) {
        let mut removed = Removed::default();
        let mut state = self.state();
        state.ended = Some(why.clone());
        for key in state.store.keys() {
            state.remove(key, Err(why.clone()), &mut removed);
        }
        drop(state);
        // No event for each: the event of the client's end tells their number.
        for (entry, result) in removed.0 {
            entry.answer(result);
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
            let state = self.state();
            (state.store.len(), state.store.bytes())
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
        let state = self.state();
        state.store.oldest().map(|entry| now.duration_since(entry.accepted).unwrap_or_default())
    }

    /// Changes the state, and tells the senders of what was removed.
    fn change<R>(&self, change: impl FnOnce(&mut State, &mut Removed) -> R) -> R {
        let mut removed = Removed::default();
        let result = change(&mut self.state(), &mut removed);
        self.report(removed);
        result
    }

    /// Tells the senders. Not under the lock: whoever is told finds the room.
    fn report(&self, removed: Removed) {
        if removed.0.is_empty() {
            return;
        }
        self.room.notify_waiters();
        let mut stored = Vec::new();
        for (entry, result) in removed.0 {
            match &result {
                Err(error @ (Error::Dropped { topic } | Error::Expired { topic, .. })) => {
                    self.counters.dropped.add(1);
                    self.hub.tell(Event::MessageDropped { topic: topic.clone(), error: error.clone() });
                }
                Err(Error::Offline { .. }) | Ok(()) => {}
                Err(error) => {
                    self.counters.refused.add(1);
                    let topic = entry.topic();
                    tracing::warn!(error = %error.report(), "a message was not taken");
                    self.hub.tell(Event::PublishRefused { topic, error: error.clone() });
                }
            }
            if entry.stored.is_some() {
                stored.push((entry, result));
            } else {
                entry.answer(result);
            }
        }
        if let Some(spool) = self.spool.get().filter(|_| !stored.is_empty()) {
            spool.removed(stored);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
