//! A message between publisher and subscribers, without what belongs to one connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mqtt5_protocol::packet::publish::PublishPacket;
use mqtt5_protocol::{Properties, PropertyId, PropertyValue, QoS};
use tokio::sync::Notify;

use super::topic::TopicName;

/// A message that is routed, stored or retained.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(super) topic: TopicName,
    pub(super) payload: Bytes,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    /// What subscribers get as it was sent.
    properties: Properties,
    expires: Option<Instant>,
    /// Notified when the receiver has acknowledged it.
    pub(super) acknowledged: Option<Arc<Notify>>,
}

impl Message {
    pub(crate) fn new(topic: TopicName, payload: Bytes, qos: QoS, retain: bool) -> Self {
        Self { topic, payload, qos, retain, properties: Properties::new(), expires: None, acknowledged: None }
    }

    /// Takes over the properties of the sender's packet. The message expiry interval runs from `now`.
    pub(super) fn with_properties(mut self, properties: &Properties, now: Instant) -> Self {
        for (id, value) in properties.iter() {
            match (id, value) {
                // These two are for the broker.
                (PropertyId::TopicAlias | PropertyId::WillDelayInterval, _) => {}
                (PropertyId::MessageExpiryInterval, PropertyValue::FourByteInteger(seconds)) => {
                    self.expires = now.checked_add(Duration::from_secs((*seconds).into()));
                }
                _ => self.add(id, value.clone()),
            }
        }
        self
    }

    /// The message as a subscriber gets it.
    pub(super) fn delivered(&self, qos: QoS, retain: bool) -> Self {
        Self { qos, retain, ..self.clone() }
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// The packet for a subscriber, with what is left of the message expiry interval (MQTT 5, section 3.3.2.3.3).
    pub(super) fn packet(&self, packet_id: u16, duplicate: bool, now: Instant) -> PublishPacket {
        let mut packet = PublishPacket::new(self.topic.as_str(), self.payload.clone(), self.qos)
            .with_retain(self.retain)
            .with_dup(duplicate)
            .with_packet_id(packet_id);
        packet.properties = self.properties.clone();
        if let Some(expires) = self.expires {
            let left = expires.saturating_duration_since(now).as_secs();
            packet.properties.set_message_expiry_interval(u32::try_from(left).unwrap_or(u32::MAX));
        }
        packet
    }

    fn add(&mut self, id: PropertyId, value: PropertyValue) {
        if let Err(error) = self.properties.add(id, value) {
            tracing::error!(%error, "a property is not passed on");
        }
    }
}

/// The lower of two QoS levels.
pub(super) fn lower(one: QoS, other: QoS) -> QoS {
    if u8::from(one) < u8::from(other) { one } else { other }
}

/// The higher of two QoS levels.
pub(super) fn higher(one: QoS, other: QoS) -> QoS {
    if u8::from(one) < u8::from(other) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expiry_counts_down_and_what_is_for_the_broker_is_not_passed_on() {
        let now = Instant::now();
        let sent = PublishPacket::new("t", "x", QoS::AtMostOnce)
            .with_message_expiry_interval(10)
            .with_topic_alias(3)
            .with_content_type("text/plain".to_owned());
        let topic = TopicName::parse("t").unwrap();
        let message =
            Message::new(topic, "x".into(), QoS::AtMostOnce, false).with_properties(&sent.properties, now);
        let later = now + Duration::from_secs(4);
        let packet = message.packet(0, false, later);
        assert_eq!(packet.message_expiry_interval(), Some(6));
        assert_eq!(packet.topic_alias(), None);
        assert_eq!(packet.properties.get_content_type().as_deref(), Some("text/plain"));
        assert!(!message.is_expired(later) && message.is_expired(now + Duration::from_secs(10)));
    }
}
