//! Messages on their way to the server, and its acknowledgements, by packet id.

use std::collections::{BTreeMap, VecDeque};
use std::mem::take;
use std::sync::Arc;
use std::time::Instant;

use rumqttc::v5::mqttbytes::v5::Publish;
use tracing::{debug, warn};

use super::blame::Item;
use super::{Session, Written};
use crate::clock::Moment;
use crate::codec::{publish_properties, wire_qos};
use crate::outbox::{Entry, Key, Sending};
use crate::{Error, QoS, ReasonCode};

/// No further messages are encoded while more than this waits for the socket, in bytes: what is still in the outbox can
/// expire, and a message of QoS 0 in the buffer is lost with the connection.
const HIGH_WATER: usize = 64 * 1024;

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
    /// The messages that were written, in this order, and when. The first is unacknowledged, others may be.
    written: VecDeque<(u16, Key, Instant)>,
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
                self.insert(self.last, what);
                return Some(self.last);
            }
        }
    }

    /// The id is taken for `what`, whatever it was taken for.
    pub(super) fn set(&mut self, id: u16, what: Use) {
        self.release(id);
        self.insert(id, what);
    }

    fn insert(&mut self, id: u16, what: Use) {
        self.publishes += usize::from(matches!(what, Use::Queued(_) | Use::Publish(_)));
        self.by_id.insert(id, what);
    }

    /// The last byte of a PUBLISH was written.
    pub(super) fn written(&mut self, id: u16, now: Instant) {
        if let Some(what) = self.by_id.get_mut(&id)
            && let Use::Queued(key) = *what
        {
            *what = Use::Publish(key);
            self.written.push_back((id, key, now));
        }
    }

    pub(super) fn get(&self, id: u16) -> Option<Use> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn release(&mut self, id: u16) {
        let publish = matches!(self.by_id.remove(&id), Some(Use::Queued(_) | Use::Publish(_)));
        self.publishes -= usize::from(publish);
        while let Some((first, key, _)) = self.written.front()
            && self.get(*first) != Some(Use::Publish(*key))
        {
            self.written.pop_front();
        }
    }

    /// How many messages are unacknowledged, written or not.
    pub(super) fn publishes(&self) -> usize {
        self.publishes
    }

    /// The message that has waited longest for its acknowledgement on this connection, and since when.
    pub(super) fn oldest_publish(&self) -> Option<(Key, Instant)> {
        self.written.front().map(|(_, key, written)| (*key, *written))
    }

    /// Forgets everything. Returns the messages that are unacknowledged: those that were written, each with its packet id,
    /// and the others.
    pub(super) fn clear(&mut self) -> (Vec<(Key, u16)>, Vec<Key>) {
        let (mut written, mut unwritten) = (Vec::new(), Vec::new());
        for (id, what) in take(&mut self.by_id) {
            match what {
                Use::Publish(key) => written.push((key, id)),
                Use::Queued(key) => unwritten.push(key),
                Use::Reserved | Use::Request => {}
            }
        }
        self.written.clear();
        self.publishes = 0;
        (written, unwritten)
    }
}

impl Session {
    /// How many QoS 1 messages may be sent now.
    pub(super) fn window(&self) -> usize {
        let Some(connection) = &self.connection else { return 0 };
        let unacknowledged = self.ids.publishes();
        if self.blame.one_at_a_time() {
            return usize::from(unacknowledged == 0 && !self.subscriptions.has_requests());
        }
        usize::from(connection.negotiated.receive_maximum).saturating_sub(unacknowledged)
    }

    /// Whether the output takes no further message until some of it is written.
    pub(crate) fn output_is_full(&self) -> bool {
        self.output.len() >= HIGH_WATER
    }

    /// Sends what may be sent now.
    pub(crate) fn send(&mut self, now: Moment) {
        let Some(connection) = &mut self.connection else { return };
        connection.not_before = None;
        self.take_back();
        let window = self.window();
        // While a request is on probation, nothing else is sent that the server could hang up on.
        if self.blame.one_at_a_time() && window == 0 {
            return;
        }
        let shared = Arc::clone(&self.shared);
        shared.outbox.send(window, now, |key, entry| self.send_one(key, entry, now));
        self.shared.counters.lock().in_flight = self.ids.publishes() as u64;
    }

    fn send_one(&mut self, key: Key, entry: &mut Entry, now: Moment) -> Sending {
        let (on_probation, full) = (self.blame.one_at_a_time(), self.output_is_full());
        let Some(connection) = &mut self.connection else { return Sending::Stop };
        // A QoS 0 message is not answered, so it must not be under way beside the one that is watched.
        if full || (on_probation && entry.qos == QoS::AtMostOnce && self.ids.publishes() > 0) {
            return Sending::Stop;
        }
        let next = connection.pace.next(now.instant);
        if next > now.instant {
            connection.not_before = Some(next);
            return Sending::Stop;
        }
        let expires_in = entry.expires_in(now.wall);
        let properties = entry.properties.as_ref();
        // Topic and payload are lent to the packet and taken back: no copy and no reference count.
        let mut packet = Publish {
            dup: entry.packet_id.is_some(),
            qos: wire_qos(entry.qos),
            retain: entry.retain,
            topic: take(&mut entry.topic),
            // Not 0 while the size is asked for: without it, two bytes would be missing.
            pkid: 1,
            payload: take(&mut entry.payload),
            properties: properties.map(|properties| publish_properties(properties, expires_in)),
        };
        let size = packet.size();
        let checked = connection.negotiated.check(&packet.topic, entry.qos, entry.retain, size);
        let id = match (entry.qos, entry.packet_id) {
            _ if checked.is_err() => None,
            (QoS::AtMostOnce, _) => Some(0),
            (QoS::AtLeastOnce, Some(id)) => {
                self.ids.set(id, Use::Queued(key));
                Some(id)
            }
            (QoS::AtLeastOnce, None) => self.ids.take(Use::Queued(key)),
        };
        if let Some(id) = id {
            packet.pkid = id;
            let written = match entry.qos {
                QoS::AtMostOnce => Written::Qos0(key),
                QoS::AtLeastOnce => Written::Publish { id, again: entry.is_repeated() },
            };
            self.output.publish(&packet, written);
            connection.pace.spend(size, now.instant);
        }
        (entry.topic, entry.payload) = (packet.topic, packet.payload);
        match (checked, id) {
            (Ok(()), Some(id)) => Sending::Sent((entry.qos == QoS::AtLeastOnce).then_some(id)),
            (Ok(()), None) => Sending::Stop,
            (Err(error), _) => {
                entry.packet_id.into_iter().for_each(|id| self.ids.release(id));
                Sending::Failed(error)
            }
        }
    }

    /// So many bytes of the output went to the socket.
    pub(crate) fn written(&mut self, count: usize, now: Moment) {
        let Self { output, ids, subscriptions, completed, connection, shared, .. } = self;
        let counters = &shared.counters;
        output.written(count, |written| match written {
            Written::Qos0(key) => {
                counters.lock().publishes += 1;
                completed.push(key);
            }
            Written::Publish { id, again } => {
                let mut counters = counters.lock();
                counters.publishes += 1;
                counters.repetitions += u64::from(again);
                ids.written(id, now.instant);
            }
            Written::Request(id) => subscriptions.written(id, now.instant),
            Written::Ping => {
                if let Some(connection) = connection {
                    connection.keep_alive.ping_written(now.instant);
                }
            }
            Written::Other => {}
        });
        if let Some(connection) = connection {
            connection.keep_alive.written(output.is_empty(), now.instant);
        }
        self.complete();
    }

    /// Tells the outbox what is done with.
    pub(super) fn complete(&mut self) {
        if !self.completed.is_empty() {
            self.shared.outbox.complete(self.completed.drain(..).map(|key| (key, Ok(()))));
        }
    }

    /// PUBACK.
    pub(super) fn published(&mut self, id: u16, reason: ReasonCode, text: Option<String>, now: Instant) {
        let Some(Use::Publish(key)) = self.ids.get(id) else {
            // Harmless, and real brokers do it after a reconnect: no reason to give up the connection.
            debug!(id, "the server acknowledged a message that nobody waits for");
            return;
        };
        self.ids.release(id);
        let mut counters = self.shared.counters.lock();
        counters.in_flight = self.ids.publishes() as u64;
        counters.acknowledged += u64::from(!reason.is_error());
        drop(counters);
        self.answered = true;
        self.blame.answered(&Item::Publish(key));
        if !reason.is_error() {
            self.completed.push(key);
            return;
        }
        let error =
            Error::PublishRefused { topic: self.shared.outbox.topic(key).unwrap_or_default(), reason, text };
        if matches!(reason, ReasonCode::QUOTA_EXCEEDED | ReasonCode::PACKET_IDENTIFIER_IN_USE) {
            warn!(error = %error.report(), "the message is sent again after a pause");
            self.shared.outbox.retry_later(key, error, self.operation_timeout, now);
        } else {
            self.shared.outbox.complete([(key, Err(error))]);
        }
    }
}
