//! The session's side of the outbox: what is sent, what was answered, and what is sent again.

use std::time::{Duration, Instant, SystemTime};

use super::store::{Removed, Wanted};
use super::{Entry, Key, OfflineQos0, Outbox, Status, reply};
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
    /// A message that was sent stays here until [`Self::complete`].
    pub(crate) fn send(
        &self,
        mut window: usize,
        now: Moment,
        mut send: impl FnMut(Key, &mut Entry) -> Sending,
    ) {
        let mut stored = Vec::new();
        self.change(|store, removed| {
            store.expire(now.wall, removed);
            store.resume(now.instant);
            // Until it is found that there is nothing more to send. Where the session stops, it knows when to go on.
            store.wanted = Wanted::Nothing;
            loop {
                let Some(key) = store.next(window > 0) else {
                    store.wanted = if window > 0 { Wanted::All } else { Wanted::Qos0 };
                    break;
                };
                let Some(entry) = store.entries.get_mut(key) else { break };
                let (qos, number) = (entry.qos, entry.stored.map(|(number, _)| number));
                match send(key, entry) {
                    Sending::Sent(packet_id) => {
                        stored.extend(number.zip(packet_id));
                        window -= usize::from(qos == QoS::AtLeastOnce);
                        store.set(key, Status::InFlight);
                    }
                    Sending::Failed(error) => store.fail(key, |_| error, removed),
                    Sending::Stop => break,
                }
            }
        });
        if let Some(spool) = self.spool.get().filter(|_| !stored.is_empty()) {
            spool.sent(&stored);
        }
    }

    /// The messages are done with, one way or the other.
    pub(crate) fn complete(&self, results: impl IntoIterator<Item = (Key, Result<(), Error>)>) {
        // Most have succeeded, and are in memory alone: the report has nothing to say of them.
        let (mut removed, mut succeeded) = (Removed::default(), Vec::new());
        let mut store = self.store();
        for (key, result) in results {
            match (store.take(key), result) {
                (Some(entry), Ok(())) if entry.stored.is_none() => succeeded.push(entry.answer),
                (Some(entry), result) => removed.push((entry, result)),
                (None, _) => {}
            }
        }
        drop(store);
        self.room.notify_waiters();
        succeeded.into_iter().for_each(|answer| reply(answer, Ok(())));
        self.report(removed);
    }

    /// The server has refused the message for now: it is sent again after a pause, for as long as `patience` from the
    /// first refusal on. Then it fails with `error`.
    pub(crate) fn retry_later(&self, key: Key, error: Error, patience: Duration, now: Instant) {
        let mut store = self.store();
        if let Some(entry) = store.entries.get_mut(key) {
            let (first, times) = entry.refused.unwrap_or((now, 0));
            let again = after(now, FIRST_PAUSE.saturating_mul(1 << times.min(8)).min(LONGEST_PAUSE));
            if again.saturating_duration_since(first) <= patience {
                entry.refused = Some((first, times + 1));
                return store.pause(key, again);
            }
        }
        drop(store);
        self.complete([(key, Err(error))]);
    }

    /// The message is to wait, or to be kept aside.
    pub(crate) fn set(&self, key: Key, status: Status) {
        self.store().set(key, status);
    }

    /// Whether a message of QoS 1 waits to be sent.
    pub(crate) fn has_waiting(&self) -> bool {
        self.store().next_of(QoS::AtLeastOnce).is_some()
    }

    /// The connection is gone. What the server did not acknowledge is sent again on the next one, in the old order, and
    /// before everything new: `sent`, each with its packet id, and `unsent`, which were not written.
    pub(crate) fn requeue(
        &self,
        sent: impl IntoIterator<Item = (Key, u16)>,
        unsent: impl IntoIterator<Item = Key>,
    ) {
        self.change(|store, removed| {
            (store.online, store.wanted) = (false, Wanted::Nothing);
            for (key, packet_id) in sent {
                if let Some(entry) = store.entries.get_mut(key) {
                    (entry.sent, entry.packet_id) = (true, Some(packet_id));
                }
                store.set(key, Status::Waiting);
            }
            // They keep the packet id of an earlier connection.
            unsent.into_iter().for_each(|key| store.set(key, Status::Waiting));
            while self.options.offline_qos0 == OfflineQos0::Refuse
                && let Some(key) = store.next_of(QoS::AtMostOnce)
            {
                store.fail(key, |entry| Error::Offline { topic: entry.topic() }, removed);
            }
        });
    }

    /// There is a connection. Returns the packet ids under which messages are to be sent again, if the server has kept
    /// the session; otherwise no packet id of an earlier connection is valid (MQTT 5, section 4.4).
    pub(crate) fn online(&self, session_present: bool) -> Vec<u16> {
        let mut store = self.store();
        store.online = true;
        let valid = |entry: &mut Entry| {
            entry.packet_id = entry.packet_id.filter(|_| session_present);
            entry.packet_id
        };
        store.entries.values_mut().filter_map(valid).collect()
    }

    /// Removes what has expired.
    pub(crate) fn expire(&self, now: SystemTime) {
        self.change(|store, removed| store.expire(now, removed));
    }

    /// When something happens without an event from outside: a message expires, or is to be sent again.
    pub(crate) fn deadline(&self, now: Moment) -> Option<Instant> {
        let store = self.store();
        let expiry = store.next_expiry(now);
        // Without a connection, nothing is sent again.
        let resumption = store.next_resumption(now.instant).filter(|_| store.online);
        expiry.into_iter().chain(resumption).min()
    }

    /// When the next message expires.
    #[cfg(feature = "durable")]
    pub(super) fn next_expiry(&self, now: Moment) -> Option<Instant> {
        self.store().next_expiry(now)
    }
}
