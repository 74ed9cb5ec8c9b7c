//! The session's side of the outbox: what is sent, what was answered, and what is sent again.

use std::time::{Duration, Instant, SystemTime};

use super::state::{Removed, State, Wanted};
use super::{Entry, Key, OfflineQos0, Outbox};
use crate::clock::{Moment, after};
use crate::{Error, QoS};

/// The first pause before a message is sent again that the server refused for now; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

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
    /// Hands messages to `send` in their order until it stops: QoS 0, and at most `window` of QoS 1.
    ///
    /// A message that was sent stays here until [`Self::succeeded`] or [`Self::complete`].
    pub(crate) fn send(
        &self,
        mut window: usize,
        now: Moment,
        mut send: impl FnMut(Key, &mut Entry) -> Sending,
    ) {
        let mut stored = Vec::new();
        self.change(|state, removed| {
            state.expire(now.wall, removed);
            state.resume(now.instant);
            // Until it is found that there is nothing more to send. Where the session stops, it knows when to go on.
            state.wanted = Wanted::Nothing;
            loop {
                let Some(key) = state.next(window > 0) else {
                    state.wanted = if window > 0 { Wanted::All } else { Wanted::Qos0 };
                    break;
                };
                let Some(entry) = state.store.get_mut(key) else { break };
                let (qos, number) = (entry.qos, entry.stored.map(|(number, _)| number));
                match send(key, entry) {
                    Sending::Sent(packet_id) => {
                        stored.extend(number.zip(packet_id));
                        window -= usize::from(qos == QoS::AtLeastOnce);
                        state.waiting.of(qos).remove(&key);
                        state.store.set_expiring(key, false);
                    }
                    Sending::Failed(error) => state.remove(key, Err(error), removed),
                    Sending::Stop => break,
                }
            }
        });
        if let Some(spool) = self.spool.get().filter(|_| !stored.is_empty()) {
            spool.sent(&stored);
        }
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
        self.change(|state, removed| {
            results.into_iter().for_each(|(key, result)| state.remove(key, result, removed));
        });
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

    /// The message waits to be sent again.
    pub(crate) fn take_back(&self, key: Key) {
        let mut state = self.state();
        if state.store.get(key).is_some() {
            state.waiting.qos1.insert(key);
        }
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
        let sent = sent.into_iter().map(|(key, packet_id)| (key, Some(packet_id)));
        let unsent = unsent.into_iter().map(|key| (key, None));
        self.change(|state, removed| {
            (state.online, state.wanted) = (false, Wanted::Nothing);
            for (key, packet_id) in sent.chain(unsent) {
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
                    state.fail(key, |entry| Error::Offline { topic: entry.topic() }, removed);
                }
            }
        });
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
        self.change(|state, removed| state.expire(now, removed));
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
    pub(super) fn next_expiry(&self, now: Moment) -> Option<Instant> {
        self.state().next_expiry(now)
    }
}
