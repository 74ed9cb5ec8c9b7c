//! Every accepted message, from its acceptance to its end: acknowledged, refused, expired or dropped.
//!
//! Shared between the application's threads and the session's. The session knows a message by its [`Key`] alone.

#[cfg(feature = "durable")]
pub mod durable;
mod entry;
mod options;
mod slots;
mod state;
mod store;
#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;

pub use self::entry::Receipt;
pub(crate) use self::entry::{Answer, Entry};
pub use self::options::{OfflineQos0, OutboxOptions, WhenFull};
use self::state::{Removed, State, Wanted};
pub(crate) use self::store::Key;
use self::store::{Offer, Spool};
use crate::acknowledgement::SessionWaker;
use crate::clock::{Moment, after};
use crate::event::Hub;
use crate::statistics::Counters;
use crate::{Error, Event, QoS};

/// The first pause before a message is sent again that the server refused for now; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
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

/// What became of a message that was offered.
enum Offered {
    Accepted,
    NoRoom(Entry),
}

/// What the session did with a message.
pub(crate) enum Sending {
    /// It is in the connection's buffer, under this packet id; `None` at QoS 0.
    Sent(Option<u16>),
    /// It cannot be sent, and never will be.
    Failed(Error),
    /// Nothing more can be sent now.
    Stop,
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

    /// Accepts the message, or fails. It waits for room only with [`WhenFull::Wait`].
    pub(crate) async fn put(&self, entry: Entry) -> Result<(), Error> {
        let mut entry = match self.offer(entry)? {
            Offered::Accepted => return Ok(()),
            Offered::NoRoom(entry) if self.options.when_full == WhenFull::Wait => entry,
            Offered::NoRoom(entry) => return Err(self.full(&entry)),
        };
        loop {
            let mut room = pin!(self.room.notified());
            // Before the next attempt, or a notification between attempt and wait would be missed.
            room.as_mut().enable();
            entry = match self.offer(entry)? {
                Offered::Accepted => return Ok(()),
                Offered::NoRoom(entry) => entry,
            };
            room.await;
        }
    }

    /// Accepts the message now, or fails.
    pub(crate) fn try_put(&self, entry: Entry) -> Result<(), Error> {
        match self.offer(entry)? {
            Offered::Accepted => Ok(()),
            Offered::NoRoom(entry) => Err(self.full(&entry)),
        }
    }

    /// Hands messages to `send` in their order until it stops: QoS 0, and at most `window` of QoS 1.
    ///
    /// A message that was sent stays here until [`Self::succeeded`] or [`Self::complete`].
    pub(crate) fn send(
        &self,
        mut window: usize,
        now: Moment,
        mut send: impl FnMut(Key, &mut Entry) -> Sending,
    ) {
        let (mut removed, mut stored) = (Removed::default(), Vec::new());
        let mut guard = self.state();
        let state = &mut *guard;
        state.expire(now.wall, &mut removed);
        state.resume(now.instant);
        let mut stopped = false;
        while let Some(key) = state.next(window > 0) {
            let Some(entry) = state.store.get_mut(key) else { break };
            let (qos, number) = (entry.qos, entry.stored.map(|(number, _)| number));
            match send(key, entry) {
                Sending::Sent(packet_id) => {
                    stored.extend(number.zip(packet_id));
                    window -= usize::from(qos == QoS::AtLeastOnce);
                    state.waiting.of(qos).remove(&key);
                    state.store.set_expiring(key, false);
                }
                Sending::Failed(error) => state.remove(key, Err(error), &mut removed),
                Sending::Stop => {
                    stopped = true;
                    break;
                }
            }
        }
        // The session knows by itself when it can go on.
        state.wanted = match (stopped, window) {
            (true, _) => Wanted::Nothing,
            (false, 0) => Wanted::Qos0,
            (false, _) => Wanted::All,
        };
        drop(guard);
        if let Some(spool) = self.spool.get().filter(|_| !stored.is_empty()) {
            spool.sent(&stored);
        }
        self.report(removed);
    }

    /// The server has acknowledged the messages (QoS 1), or they were written (QoS 0). As [`Self::complete`], but cheaper.
    pub(crate) fn succeeded(&self, keys: impl IntoIterator<Item = Key>) {
        let (mut removed, mut answers) = (Removed::default(), Vec::new());
        let mut state = self.state();
        for key in keys {
            let Some(entry) = state.take(key) else { continue };
            if entry.stored.is_some() {
                removed.0.push((entry, Ok(())));
            } else {
                answers.extend(entry.answer);
            }
        }
        drop(state);
        self.room.notify_waiters();
        for answer in answers {
            // Whoever published it may have stopped waiting.
            let _ = answer.send(Ok(()));
        }
        self.report(removed);
    }

    /// The messages are done with, one way or the other.
    pub(crate) fn complete(&self, results: impl IntoIterator<Item = (Key, Result<(), Error>)>) {
        let mut removed = Removed::default();
        let mut state = self.state();
        for (key, result) in results {
            state.remove(key, result, &mut removed);
        }
        drop(state);
        self.report(removed);
    }

    /// The server has refused the message for now: it is sent again after a pause, for as long as `patience` from the
    /// first refusal on. Then it fails with `error`.
    pub(crate) fn retry_later(&self, key: Key, error: Error, patience: Duration, now: Instant) {
        let mut guard = self.state();
        let state = &mut *guard;
        if let Some(entry) = state.store.get_mut(key) {
            let (first, times) = entry.refused.unwrap_or((now, 0));
            let again = after(now, FIRST_PAUSE.saturating_mul(1 << times.min(8)).min(LONGEST_PAUSE));
            if again.saturating_duration_since(first) <= patience {
                entry.refused = Some((first, times + 1));
                entry.packet_id = None;
                state.paused.insert((again, key));
                state.store.set_expiring(key, true);
                return;
            }
        }
        drop(guard);
        self.complete([(key, Err(error))]);
    }

    /// The message is not sent until [`Self::take_back`].
    pub(crate) fn set_aside(&self, key: Key) {
        let mut state = self.state();
        state.waiting.qos1.remove(&key);
        if let Some(entry) = state.store.get_mut(key) {
            // Its packet id is free for others.
            entry.packet_id = None;
        }
    }

    /// The message waits to be sent again. `false` where it is gone.
    pub(crate) fn take_back(&self, key: Key) -> bool {
        let mut state = self.state();
        let is_here = state.store.get(key).is_some();
        if is_here {
            state.waiting.qos1.insert(key);
        }
        is_here
    }

    /// Whether a message of QoS 1 waits to be sent.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.state().waiting.qos1.is_empty()
    }

    /// The connection is gone. What the server did not acknowledge is sent again on the next one, in the old order, and
    /// before everything new: `sent`, each with its packet id, and `unsent`, which were not written.
    pub(crate) fn requeue(
        &self,
        sent: impl IntoIterator<Item = (Key, u16)>,
        unsent: impl IntoIterator<Item = Key>,
    ) {
        let mut removed = Removed::default();
        let mut guard = self.state();
        let state = &mut *guard;
        (state.online, state.wanted) = (false, Wanted::Nothing);
        let sent = sent.into_iter().map(|(key, packet_id)| (key, Some(packet_id)));
        for (key, packet_id) in sent.chain(unsent.into_iter().map(|key| (key, None))) {
            let Some(entry) = state.store.get_mut(key) else { continue };
            entry.sent |= packet_id.is_some();
            // One that was not written keeps the packet id of an earlier connection.
            entry.packet_id = packet_id.or(entry.packet_id);
            let qos = entry.qos;
            state.waiting.of(qos).insert(key);
            state.store.set_expiring(key, true);
        }
        if self.options.offline_qos0 == OfflineQos0::Refuse {
            for key in std::mem::take(&mut state.waiting.qos0.0) {
                let topic = state.store.get(key).map(Entry::topic).unwrap_or_default();
                state.remove(key, Err(Error::Offline { topic }), &mut removed);
            }
        }
        drop(guard);
        self.report(removed);
    }

    /// There is a connection. Returns the packet ids under which messages are to be sent again, if the server has kept
    /// the session; otherwise no packet id of an earlier connection is valid (MQTT 5, section 4.4).
    pub(crate) fn online(&self, session_present: bool) -> Vec<u16> {
        let mut state = self.state();
        state.online = true;
        let State { store, waiting, .. } = &mut *state;
        let valid = |key: &Key| {
            let entry = store.get_mut(*key)?;
            entry.packet_id = entry.packet_id.filter(|_| session_present);
            entry.packet_id
        };
        waiting.qos1.iter().filter_map(valid).collect()
    }

    /// Removes what has expired.
    pub(crate) fn expire(&self, now: SystemTime) {
        let mut removed = Removed::default();
        self.state().expire(now, &mut removed);
        self.report(removed);
    }

    /// When something happens without an event from outside: a message expires, or is to be sent again.
    pub(crate) fn deadline(&self, now: Moment) -> Option<Instant> {
        let state = self.state();
        let expiry = state.next_expiry(now);
        // Without a connection, nothing is sent again.
        let resume = state.paused.first().map(|(again, _)| *again).filter(|_| state.online);
        expiry.into_iter().chain(resume).min()
    }

    /// When the next message expires.
    #[cfg(feature = "durable")]
    fn next_expiry(&self, now: Moment) -> Option<Instant> {
        self.state().next_expiry(now)
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

    fn offer(&self, mut entry: Entry) -> Result<Offered, Error> {
        entry.expire_after(self.options.max_age);
        let mut removed = Removed::default();
        let mut state = self.state();
        if let Some(ended) = &state.ended {
            return Err(ended.clone());
        }
        let refused = !state.online && self.options.offline_qos0 == OfflineQos0::Refuse;
        if entry.qos == QoS::AtMostOnce && refused {
            return Err(Error::Offline { topic: entry.topic() });
        }
        let entry = match self.spool.get().filter(|_| entry.qos == QoS::AtLeastOnce) {
            None => entry,
            Some(spool) => {
                // It reads the whole message: not under the lock that the session's thread takes.
                drop(state);
                match spool.offer(entry, &self.options)? {
                    Offer::Accepted => return Ok(Offered::Accepted),
                    Offer::NoRoom(entry) => return Ok(self.no_room(entry)),
                    Offer::Memory(entry) => {
                        state = self.state();
                        if let Some(ended) = &state.ended {
                            return Err(ended.clone());
                        }
                        entry
                    }
                }
            }
        };
        let bytes = entry.bytes();
        if !state.has_room(&self.options, bytes) {
            state.expire(entry.accepted, &mut removed);
        }
        if self.options.when_full == WhenFull::DropOldest {
            state.make_room(&self.options, bytes, &mut removed);
        }
        if !state.has_room(&self.options, bytes) {
            drop(state);
            self.report(removed);
            return Ok(self.no_room(entry));
        }
        let wake = state.insert(entry);
        drop(state);
        if wake {
            self.session.wake();
        }
        self.report(removed);
        Ok(Offered::Accepted)
    }

    /// What becomes of a message for which there is no room.
    fn no_room(&self, entry: Entry) -> Offered {
        if matches!(self.options.when_full, WhenFull::Wait | WhenFull::Refuse) {
            return Offered::NoRoom(entry);
        }
        let topic = entry.topic();
        self.report(Removed(vec![(entry, Err(Error::Dropped { topic }))]));
        Offered::Accepted
    }

    /// Takes messages that come from the disk, in their order.
    #[cfg(feature = "durable")]
    fn load(&self, entries: Vec<Entry>) {
        let mut state = self.state();
        let wake = entries.into_iter().fold(false, |wake, entry| state.insert(entry) | wake);
        drop(state);
        if wake {
            self.session.wake();
        }
    }

    /// Drops the oldest message that came from the disk and was not sent. Returns whether there was one.
    #[cfg(feature = "durable")]
    fn drop_oldest(&self) -> bool {
        let mut removed = Removed::default();
        let mut state = self.state();
        let is_unsent =
            |key: &&Key| state.store.get(**key).is_some_and(|entry| entry.stored.is_some() && !entry.sent);
        if let Some(key) = state.waiting.qos1.iter().find(is_unsent).copied() {
            let topic = state.store.get(key).map(Entry::topic).unwrap_or_default();
            state.remove(key, Err(Error::Dropped { topic }), &mut removed);
        }
        drop(state);
        let dropped = !removed.0.is_empty();
        self.report(removed);
        dropped
    }

    fn full(&self, entry: &Entry) -> Error {
        let (messages, bytes) = self.depth();
        Error::OutboxFull { topic: entry.topic(), messages, bytes }
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
