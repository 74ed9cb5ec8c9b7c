//! Messages on their way to the server, and its acknowledgements.

use std::collections::VecDeque;
use std::mem::take;
use std::time::Instant;

use bytes::Buf as _;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAck, PubAckReason, Publish};
use tracing::debug;

use super::Session;
use super::pending::Pending;
use crate::queue::{Answer, Entry};
use crate::reason::Reason as _;
use crate::{Error, Event, QoS};

/// Where no further messages are taken until the socket has taken some of what is written, in bytes.
const HIGH_WATER: usize = 256 * 1024;

/// Messages that are done with. The outbox gets its room back before anybody is told, so that whoever is told finds
/// the room.
#[derive(Default)]
pub(crate) struct Left {
    pub(crate) messages: usize,
    /// Of memory.
    pub(crate) bytes: usize,
    pub(crate) answers: Vec<(Answer<()>, Result<(), Error>)>,
}

impl Session {
    /// How many messages may come in now. What is beyond the server's window and its rates stays in the outbox.
    pub(crate) fn room(&self) -> usize {
        let Some(link) = &self.link else { return 0 };
        if !self.to_send.is_empty() || self.out.remaining() >= HIGH_WATER {
            return 0;
        }
        let window = usize::from(link.granted.receive_maximum).saturating_sub(self.pending.publishes());
        window.min(self.pending.free_ids())
    }

    /// Where messages of the outbox are put, to be sent by [`Self::send`].
    pub(crate) fn outgoing(&mut self) -> &mut VecDeque<Entry> {
        &mut self.to_send
    }

    /// Sends what may go now.
    pub(crate) fn send(&mut self, now: Instant) {
        self.not_before = None;
        while !self.to_send.is_empty() {
            let Some(link) = &mut self.link else { return };
            let window_open = usize::from(link.granted.receive_maximum) > self.pending.publishes();
            let qos0 = self.to_send.front().is_some_and(|entry| entry.qos == QoS::AtMostOnce);
            if self.out.remaining() >= HIGH_WATER || !(window_open || qos0) {
                return;
            }
            let next = link.pace.next(now);
            if next > now {
                self.not_before = Some(next);
                return;
            }
            match self.to_send.pop_front() {
                Some(entry) => self.publish(entry, now),
                None => return,
            }
        }
    }

    fn publish(&mut self, mut entry: Entry, now: Instant) {
        let Some(expiry) = entry.expiry_left(now) else {
            let topic = entry.topic();
            self.counters.dropped.add(1);
            self.hub.tell(Event::MessageDropped {
                topic: topic.clone(),
                error: Error::Expired { topic: topic.clone() },
            });
            return self.leave(entry, Err(Error::Expired { topic }));
        };
        let id = match (entry.qos, entry.sent_as) {
            (QoS::AtMostOnce, _) => 0,
            (QoS::AtLeastOnce, Some(id)) => id,
            (QoS::AtLeastOnce, None) => match self.pending.free_id() {
                Some(id) => id,
                None => return self.to_send.push_front(entry),
            },
        };
        // Topic and payload are lent to the packet and taken back: no copy and no reference count.
        let mut packet = Publish {
            dup: entry.sent_as.is_some(),
            qos: entry.qos.to_wire(),
            retain: entry.retain,
            topic: take(&mut entry.topic),
            // One that is not 0, while the size is asked for: without it, two bytes would be missing.
            pkid: id.max(1),
            payload: take(&mut entry.payload),
            properties: entry.properties.as_ref().map(|properties| properties.to_wire(expiry)),
        };
        let size = packet.size();
        if let Some(link) = &mut self.link
            && let Err(error) = link.granted.check_packet(size, "message", &packet.topic)
        {
            (entry.topic, entry.payload) = (packet.topic, packet.payload);
            return self.leave(entry, Err(error));
        }
        packet.pkid = id;
        if let Err(error) = self.out.message(&mut packet) {
            debug!(%error, "a message could not be encoded");
        }
        (entry.topic, entry.payload) = (packet.topic, packet.payload);
        self.counters.publishes.add(1);
        self.counters.repetitions.add(usize::from(entry.number > 0));
        if let Some(link) = &mut self.link {
            link.pace.spend(size);
        }
        if entry.qos == QoS::AtMostOnce {
            return self.leave(entry, Ok(()));
        }
        if entry.number == 0 {
            self.sent_first += 1;
            entry.number = self.sent_first;
        }
        self.pending.insert(id, Pending::Publish(entry));
        self.counters.in_flight.set(self.pending.publishes());
    }

    pub(super) fn published(&mut self, ack: PubAck) {
        let Some(entry) = self.pending.take_publish(ack.pkid) else {
            // Harmless, and real brokers do it after a reconnect: no reason to give up the connection.
            debug!(id = ack.pkid, "the server acknowledged a message that nobody waits for");
            return;
        };
        self.counters.in_flight.set(self.pending.publishes());
        let result = match ack.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => {
                self.counters.acknowledged.add(1);
                Ok(())
            }
            reason => {
                self.counters.refused.add(1);
                Err(Error::PublishRefused {
                    topic: entry.topic(),
                    reason: reason.reason(),
                    text: ack.properties.and_then(|properties| properties.reason_string),
                })
            }
        };
        self.leave(entry, result);
    }

    /// The connection is gone: what was under way is sent again on the next one, in the order of the first time, and
    /// before everything new.
    pub(super) fn take_back(&mut self) {
        let mut asked = Vec::new();
        for (id, pending) in self.pending.take_all() {
            match pending {
                Pending::Publish(mut entry) => {
                    entry.sent_as = Some(id);
                    self.to_send.push_back(entry);
                }
                other => asked.extend(self.ask_again(other)),
            }
        }
        self.asked.put_back(asked);
        // Those that were never sent have no number yet: they stay in their order, behind the others.
        let key = |entry: &Entry| if entry.number == 0 { u64::MAX } else { entry.number };
        self.to_send.make_contiguous().sort_by_key(key);
        self.counters.in_flight.set(0);
    }

    /// The server has answered to CONNECT. Only where it has kept the session are packet ids from before still valid,
    /// and a message a duplicate (MQTT 5, section 4.4).
    pub(super) fn number_again(&mut self, session_present: bool) {
        for entry in &mut self.to_send {
            match entry.sent_as.filter(|_| session_present) {
                Some(id) => self.pending.insert(id, Pending::Reserved),
                None => entry.sent_as = None,
            }
        }
    }

    /// A message is done with.
    fn leave(&mut self, entry: Entry, result: Result<(), Error>) {
        if let Some(id) = entry.sent_as {
            self.pending.release(id);
        }
        self.left.messages += 1;
        self.left.bytes += entry.bytes();
        self.left.answers.push((entry.answer, result));
    }

    /// What has left since the last time.
    pub(crate) fn left(&mut self) -> Option<Left> {
        Some(take(&mut self.left)).filter(|left| left.messages > 0)
    }

    /// How many messages of the outbox this session has.
    #[cfg(test)]
    pub(super) fn unacknowledged(&self) -> usize {
        self.pending.publishes() + self.to_send.len()
    }

    /// Gives up what was accepted, and tells why.
    pub(crate) fn give_up(&mut self, why: &Error) {
        self.take_back();
        for entry in take(&mut self.to_send) {
            entry.answer(Err(why.clone()));
        }
        self.asked.give_up(why);
    }

    pub(super) fn acknowledge(&mut self, id: u16) {
        self.write(Packet::PubAck(PubAck::new(id, None)));
    }
}
