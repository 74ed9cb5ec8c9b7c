//! What the server sends.

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use tracing::{debug, warn};

use super::{Session, inbox};
use crate::clock::Moment;
use crate::codec::{ProtocolError, Reason as _, decode, message};
use crate::message_queue::{Pushed, QueueWriter};
use crate::{Error, Event, Message, QoS};

impl Session {
    /// Takes all whole packets out of `buffer`.
    pub(crate) fn received(&mut self, buffer: &mut BytesMut, now: Moment) -> Result<(), Error> {
        if let Some(connection) = &mut self.connection {
            connection.keep_alive.heard(now.instant);
        }
        let result = self.packets(buffer, now);
        // Also what came before an error counts.
        self.complete();
        self.acknowledge();
        self.reconcile();
        self.send(now);
        result
    }

    fn packets(&mut self, buffer: &mut BytesMut, now: Moment) -> Result<(), Error> {
        while let Some(packet) = decode(buffer, self.limits.maximum_packet_size)? {
            self.packet(packet, now)?;
        }
        Ok(())
    }

    fn packet(&mut self, packet: Packet, now: Moment) -> Result<(), Error> {
        match packet {
            Packet::Publish(publish) => return self.publish(publish),
            Packet::PubAck(ack) => self.published(ack, now.instant),
            Packet::SubAck(ack) => {
                let text = ack.properties.and_then(|properties| properties.reason_string);
                let answered = self.subscriptions.subscribed(ack.pkid, ack.return_codes, &text)?;
                self.answered(ack.pkid, answered);
            }
            Packet::UnsubAck(ack) => {
                let answered = self.subscriptions.unsubscribed(ack.pkid, ack.reasons)?;
                self.answered(ack.pkid, answered);
            }
            // Any bytes are a sign of life, so there is nothing left to do.
            Packet::PingResp(_) => {}
            Packet::Disconnect(disconnect) => {
                return Err(Error::Disconnected {
                    client_id: self.client_id.clone(),
                    reason: disconnect.reason_code.reason(),
                    text: disconnect.properties.and_then(|properties| properties.reason_string),
                });
            }
            Packet::ConnAck(_) => return Err(ProtocolError::new(0x82, "a second CONNACK").into()),
            // The codec lets no other packet through.
            _ => return Err(ProtocolError::new(0x82, "a packet that only a client sends").into()),
        }
        Ok(())
    }

    fn publish(&mut self, publish: Publish) -> Result<(), Error> {
        let id = publish.pkid;
        let message = message(publish)?;
        self.counters.received.add(1);
        let (bytes, qos) = (inbox::bytes(&message), message.qos);
        let (open, refused) = self.deliver(message);
        if qos == QoS::AtLeastOnce {
            self.inbox.arrived(id, bytes, open, refused)?;
        }
        Ok(())
    }

    /// Gives the message to its streams. Returns how many of them are to acknowledge it, and whether nobody took it.
    fn deliver(&mut self, message: Message) -> (usize, bool) {
        let topic = message.topic.as_str().to_owned();
        let mut streams: Vec<(&QueueWriter, bool)> = self.subscriptions.matching(&topic).collect();
        if streams.is_empty() {
            self.counters.unwanted.add(1);
            if !self.unrouted.is_read() {
                debug!(topic, "a message that belongs to no subscription");
                return (0, true);
            }
            streams.push((&self.unrouted, false));
        }
        let (mut open, mut dropped) = (0, 0);
        let last = streams.len() - 1;
        let mut message = Some(message);
        for (index, (queue, manual)) in streams.into_iter().enumerate() {
            let copy = if index == last { message.take() } else { message.clone() };
            let Some(mut copy) = copy else { break };
            let withheld = !queue.has_room();
            if copy.qos == QoS::AtLeastOnce && (manual || withheld) {
                copy.acknowledgement = Some(self.inbox.acknowledgement());
                open += 1;
            }
            match queue.push(copy) {
                Pushed::Queued if withheld && queue.first_withheld() => {
                    warn!(topic, "a subscription is not read: its messages are not acknowledged any more");
                    self.hub.tell(Event::SubscriptionUnread { topic: topic.clone() });
                }
                Pushed::Queued => {}
                Pushed::DroppedOldest | Pushed::Dropped => dropped += 1,
            }
        }
        if dropped > 0 {
            self.counters.received_dropped.add(dropped);
            let dropped = self.counters.received_dropped.get();
            if dropped.is_power_of_two() {
                warn!(topic, dropped, "received messages were dropped: the program reads too slowly");
            }
        }
        (open, false)
    }
}
