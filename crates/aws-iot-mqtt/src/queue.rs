//! The outbox itself: every accepted message, from `publish` until the server has acknowledged it.
//!
//! Shared between the application's threads and the session's: a message that is in here is accepted, whatever becomes
//! of the call that brought it.

mod entry;

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

pub(crate) use self::entry::{Answer, Entry};
use crate::event::Hub;
use crate::outbox::{OfflineQos0, Outbox, WhenFull};
use crate::statistics::Counters;
use crate::{Error, Event, QoS};

/// The messages that are not yet under way, and the count of all that are accepted.
pub(crate) struct Queue {
    settings: Outbox,
    state: Mutex<State>,
    /// Rung when a message comes in.
    filled: Notify,
    /// Rung when there is room again.
    room: Notify,
    hub: Arc<Hub>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Entry>,
    messages: usize,
    bytes: usize,
    online: bool,
    ended: Option<Error>,
}

/// What became of a message that was offered.
enum Offered {
    Taken,
    NoRoom(Entry),
}

impl Queue {
    pub(crate) fn new(settings: Outbox, hub: Arc<Hub>, counters: Arc<Counters>) -> Self {
        let (filled, room) = (Notify::new(), Notify::new());
        Self { settings, state: Mutex::default(), filled, room, hub, counters }
    }

    /// Takes the message, or fails. It waits only where that was chosen.
    pub(crate) async fn put(&self, entry: Entry) -> Result<(), Error> {
        let mut entry = match self.offer(entry)? {
            Offered::Taken => return Ok(()),
            Offered::NoRoom(entry) if self.settings.when_full == WhenFull::Wait => entry,
            Offered::NoRoom(entry) => return Err(self.full(&entry)),
        };
        loop {
            let mut room = pin!(self.room.notified());
            // Before the question, or a bell between question and wait would go unheard.
            room.as_mut().enable();
            entry = match self.offer(entry)? {
                Offered::Taken => return Ok(()),
                Offered::NoRoom(entry) => entry,
            };
            room.await;
        }
    }

    /// Takes the message now, or fails.
    pub(crate) fn try_put(&self, entry: Entry) -> Result<(), Error> {
        match self.offer(entry)? {
            Offered::Taken => Ok(()),
            Offered::NoRoom(entry) => Err(self.full(&entry)),
        }
    }

    /// At most `most` of the messages that wait, the oldest first.
    pub(crate) fn take(&self, most: usize, into: &mut VecDeque<Entry>) {
        let mut state = self.state();
        let count = most.min(state.waiting.len());
        into.extend(state.waiting.drain(..count));
    }

    /// Messages have left: acknowledged, refused, or given up.
    pub(crate) fn left(&self, messages: usize, bytes: usize) {
        let mut state = self.state();
        state.messages = state.messages.saturating_sub(messages);
        state.bytes = state.bytes.saturating_sub(bytes);
        drop(state);
        self.room.notify_waiters();
    }

    /// Waits for a message to come in.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// There is a connection, or there is none any more.
    pub(crate) fn set_online(&self, online: bool) {
        let mut state = self.state();
        state.online = online;
        if online || self.settings.offline_qos0 == OfflineQos0::Queue {
            return;
        }
        let (now_or_never, kept): (VecDeque<Entry>, VecDeque<Entry>) =
            std::mem::take(&mut state.waiting).into_iter().partition(|entry| entry.qos == QoS::AtMostOnce);
        state.waiting = kept;
        state.messages -= now_or_never.len();
        state.bytes -= now_or_never.iter().map(Entry::bytes).sum::<usize>();
        drop(state);
        for entry in now_or_never {
            let topic = entry.topic();
            entry.answer(Err(Error::Offline { topic }));
        }
        self.room.notify_waiters();
    }

    /// No message comes in from now on; those that wait are still to be sent.
    pub(crate) fn close(&self) {
        self.state().ended.get_or_insert(Error::Closed);
        self.room.notify_waiters();
    }

    /// No message comes in from now on, and those that wait are told why.
    pub(crate) fn end(&self, why: &Error) {
        let mut state = self.state();
        let waiting = std::mem::take(&mut state.waiting);
        state.ended = Some(why.clone());
        drop(state);
        waiting.into_iter().for_each(|entry| entry.answer(Err(why.clone())));
        self.room.notify_waiters();
    }

    /// How many messages are accepted and not acknowledged, and what they take.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let state = self.state();
        (state.messages, state.bytes)
    }

    fn offer(&self, entry: Entry) -> Result<Offered, Error> {
        let mut state = self.state();
        if let Some(ended) = &state.ended {
            return Err(ended.clone());
        }
        let offline_refused = !state.online && self.settings.offline_qos0 == OfflineQos0::Refuse;
        if entry.qos == QoS::AtMostOnce && offline_refused {
            return Err(Error::Offline { topic: entry.topic() });
        }
        let bytes = entry.bytes();
        let mut dropped = Vec::new();
        while !self.has_room(&state, bytes) {
            let oldest = match self.settings.when_full {
                WhenFull::Wait | WhenFull::Refuse => None,
                WhenFull::DropOldest => state.waiting.pop_front(),
                WhenFull::DropNewest => None,
            };
            let Some(oldest) = oldest else {
                drop(state);
                self.report(dropped);
                if matches!(self.settings.when_full, WhenFull::Wait | WhenFull::Refuse) {
                    return Ok(Offered::NoRoom(entry));
                }
                self.report(vec![entry]);
                return Ok(Offered::Taken);
            };
            state.messages -= 1;
            state.bytes -= oldest.bytes();
            dropped.push(oldest);
        }
        state.messages += 1;
        state.bytes += bytes;
        state.waiting.push_back(entry);
        drop(state);
        self.filled.notify_one();
        self.report(dropped);
        Ok(Offered::Taken)
    }

    fn has_room(&self, state: &State, bytes: usize) -> bool {
        let Outbox { messages, bytes: most_bytes, .. } = self.settings;
        state.messages == 0 || (state.messages < messages && state.bytes + bytes <= most_bytes)
    }

    fn full(&self, entry: &Entry) -> Error {
        let (messages, bytes) = self.depth();
        Error::OutboxFull { topic: entry.topic(), messages, bytes }
    }

    fn report(&self, dropped: Vec<Entry>) {
        for entry in dropped {
            let error = Error::Dropped { topic: entry.topic() };
            self.counters.dropped.add(1);
            self.hub.tell(Event::MessageDropped { topic: entry.topic(), error: error.clone() });
            entry.answer(Err(error));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "queue/tests.rs"]
mod tests;
