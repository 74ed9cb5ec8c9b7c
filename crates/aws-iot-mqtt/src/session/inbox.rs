//! Received messages: which streams get them, and when they are acknowledged.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use rumqttc::v5::mqttbytes::v5::{Packet, PubAck, PubAckReason, Publish};
use tracing::{debug, warn};

use super::{Session, Written};
use crate::codec::{ProtocolError, message};
use crate::message_queue::{Acknowledgement, Pushed, QueueWriter};
use crate::{Event, Message, QoS};

/// QoS 1 messages that are not acknowledged, in the order in which they came, which is also the order in which MQTT wants
/// the acknowledgements (MQTT 5, section 4.6).
#[derive(Default)]
pub(super) struct Inbox {
    arrived: VecDeque<Arrived>,
    /// What they take in memory.
    bytes: usize,
}

struct Arrived {
    id: u16,
    bytes: usize,
    /// The acknowledgements that streams are to give; `None` where no stream took the message.
    awaited: Option<Vec<Weak<Acknowledgement>>>,
}

impl Inbox {
    /// What came on an earlier connection cannot be acknowledged on this one.
    pub(super) fn connected(&mut self) {
        self.arrived.clear();
        self.bytes = 0;
    }
}

impl Arrived {
    fn is_acknowledged(&mut self) -> bool {
        // One that was dropped counts as given.
        let is_given = |one: &Weak<Acknowledgement>| one.upgrade().is_none_or(|one| one.is_given());
        self.awaited.iter().flatten().all(is_given)
    }
}

impl Session {
    /// A message came.
    pub(super) fn publish(&mut self, publish: Publish) -> Result<(), ProtocolError> {
        let id = publish.pkid;
        let message = message(publish)?;
        self.shared.counters.lock().received += 1;
        let properties = message.properties.as_ref().map_or(0, |properties| properties.bytes());
        let bytes = size_of::<Message>() + message.topic.as_str().len() + message.payload.len() + properties;
        let qos = message.qos;
        let awaited = self.deliver(message);
        if qos == QoS::AtMostOnce {
            return Ok(());
        }
        // In bytes and not in messages: mosquitto 2.0.11 sends a whole window more for each acknowledgement, once it has a
        // backlog, and nothing is lost by holding as many small messages as the large ones that were agreed on.
        let most = self.shared.limits.inbound_bytes();
        self.inbox.bytes = self.inbox.bytes.saturating_add(bytes);
        let is_too_much = self.inbox.bytes > most && awaited.iter().flatten().next().is_some();
        self.inbox.arrived.push_back(Arrived { id, bytes, awaited });
        if is_too_much {
            let what = format!(
                "more than {most} bytes of unacknowledged messages, which is all that this client said it takes"
            );
            return Err(ProtocolError::new(0x93, what));
        }
        Ok(())
    }

    /// Gives the message to its streams. Returns the acknowledgements that they are to give; `None` where nobody took it.
    fn deliver(&mut self, message: Message) -> Option<Vec<Weak<Acknowledgement>>> {
        let topic = message.topic.as_str().to_owned();
        let mut streams: Vec<(&QueueWriter, bool)> = self.subscriptions.matching(&topic).collect();
        if streams.is_empty() {
            self.shared.counters.lock().unwanted += 1;
            if !self.unrouted.is_read() {
                debug!(topic, "a message that belongs to no subscription");
                return None;
            }
            streams.push((&self.unrouted, false));
        }
        let (mut awaited, mut dropped) = (Vec::new(), 0);
        let copies = std::iter::repeat_n(message, streams.len());
        for ((queue, manual), mut copy) in streams.into_iter().zip(copies) {
            if copy.qos == QoS::AtLeastOnce && (manual || !queue.has_room()) {
                let acknowledgement = Arc::new(Acknowledgement::new(Arc::clone(&self.shared.waker)));
                awaited.push(Arc::downgrade(&acknowledgement));
                copy.acknowledgement = Some(acknowledgement);
            }
            match queue.push(copy) {
                Pushed::Queued => {}
                Pushed::FirstWithheld => {
                    warn!(topic, "a subscription is not read: its messages are not acknowledged any more");
                    self.shared.hub.tell(Event::SubscriptionUnread { topic: topic.clone() });
                }
                Pushed::Dropped => dropped += 1,
            }
        }
        if dropped > 0 {
            let mut counters = self.shared.counters.lock();
            counters.received_dropped += dropped;
            let dropped = counters.received_dropped;
            drop(counters);
            if dropped.is_power_of_two() {
                warn!(topic, dropped, "received messages were dropped: the program reads too slowly");
            }
        }
        Some(awaited)
    }

    /// Sends the acknowledgements that are due.
    pub(super) fn acknowledge(&mut self) {
        while let Some(arrived) = self.inbox.arrived.pop_front_if(Arrived::is_acknowledged) {
            self.inbox.bytes -= arrived.bytes;
            // "Valid, but the receiver is not willing to accept it" (MQTT 5, section 3.4.2.1): there is no subscription
            // for it.
            let refused = arrived.awaited.is_none().then_some(PubAckReason::ImplementationSpecificError);
            let reason = refused.unwrap_or(PubAckReason::Success);
            self.output.packet(
                &Packet::PubAck(PubAck { pkid: arrived.id, reason, properties: None }),
                Written::Other,
            );
        }
    }
}
