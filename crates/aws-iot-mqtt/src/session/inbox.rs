//! Received messages: which streams get them, and when they are acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;

use rumqttc::v5::mqttbytes::v5::{Packet, PubAck, PubAckReason, Publish};
use tracing::{debug, warn};

use super::{Session, Written};
use crate::acknowledgement::{Acknowledgement, SessionWaker};
use crate::codec::{ProtocolError, message};
use crate::message_queue::{Pushed, QueueWriter};
use crate::{Event, Message, QoS};

/// QoS 1 messages that are not acknowledged, in the order in which they came, which is also the order in which MQTT wants
/// the acknowledgements (MQTT 5, section 4.6).
pub(super) struct Inbox {
    arrived: VecDeque<Arrived>,
    /// The number of the first of them, counted from the first message ever.
    first: u64,
    /// What they take in memory, and how much it may be.
    bytes: usize,
    /// In bytes and not in messages: mosquitto 2.0.11 sends a whole window more for each acknowledgement, once it has a
    /// backlog, and nothing is lost by holding as many small messages as the large ones that were agreed on.
    most_bytes: usize,
    session: Arc<SessionWaker>,
}

struct Arrived {
    id: u16,
    bytes: usize,
    /// How many streams have it and have not acknowledged it.
    open: usize,
    /// No stream took it.
    refused: bool,
}

impl Inbox {
    pub(super) fn new(most_bytes: usize, session: Arc<SessionWaker>) -> Self {
        Self { arrived: VecDeque::new(), first: 0, bytes: 0, most_bytes, session }
    }

    #[cfg(test)]
    pub(super) fn waker(&self) -> Arc<SessionWaker> {
        Arc::clone(&self.session)
    }

    /// What came on an earlier connection cannot be acknowledged on this one.
    pub(super) fn connected(&mut self) {
        self.first += self.arrived.len() as u64;
        self.arrived.clear();
        self.bytes = 0;
    }

    /// The acknowledgement that a stream is to give for the message that comes next.
    fn acknowledgement(&self) -> Arc<Acknowledgement> {
        let number = self.first + self.arrived.len() as u64;
        Arc::new(Acknowledgement::new(number, Arc::clone(&self.session)))
    }

    fn push(&mut self, arrived: Arrived) -> Result<(), ProtocolError> {
        let (open, most) = (arrived.open, self.most_bytes);
        self.bytes = self.bytes.saturating_add(arrived.bytes);
        self.arrived.push_back(arrived);
        if open > 0 && self.bytes > most {
            let what = format!(
                "more than {most} bytes of unacknowledged messages, which is all that this client said it takes"
            );
            return Err(ProtocolError::new(0x93, what));
        }
        Ok(())
    }

    /// The acknowledgements that may be sent now: packet identifier and reason of each PUBACK.
    fn due(&mut self) -> Vec<(u16, PubAckReason)> {
        for number in self.session.take() {
            // One of an earlier connection comes too late.
            let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
            if let Some(arrived) = index.and_then(|index| self.arrived.get_mut(index)) {
                arrived.open = arrived.open.saturating_sub(1);
            }
        }
        let mut due = Vec::new();
        while let Some(arrived) = self.arrived.pop_front_if(|arrived| arrived.open == 0) {
            self.first += 1;
            self.bytes -= arrived.bytes;
            // "Valid, but the receiver is not willing to accept it" (MQTT 5, section 3.4.2.1): there is no subscription for it.
            let refused = arrived.refused.then_some(PubAckReason::ImplementationSpecificError);
            due.push((arrived.id, refused.unwrap_or(PubAckReason::Success)));
        }
        due
    }
}

impl Session {
    /// A message came.
    pub(super) fn publish(&mut self, publish: Publish) -> Result<(), ProtocolError> {
        let id = publish.pkid;
        let message = message(publish)?;
        self.counters.received.add(1);
        let properties = message.properties.as_ref().map_or(0, |properties| properties.bytes());
        let bytes = size_of::<Message>() + message.topic.as_str().len() + message.payload.len() + properties;
        let qos = message.qos;
        let (open, refused) = self.deliver(message);
        if qos == QoS::AtLeastOnce {
            self.inbox.push(Arrived { id, bytes, open, refused })?;
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
        let copies = std::iter::repeat_n(message, streams.len());
        for ((queue, manual), mut copy) in streams.into_iter().zip(copies) {
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

    /// Sends the acknowledgements that are due.
    pub(super) fn acknowledge(&mut self) {
        for (pkid, reason) in self.inbox.due() {
            self.output.packet(&Packet::PubAck(PubAck { pkid, reason, properties: None }), Written::Other);
        }
    }
}
