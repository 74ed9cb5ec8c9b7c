//! PUBLISH from a client: limits, aliases, policies, and then the hub.

use std::time::Instant;

use mqtt5_protocol::packet::puback::PubAckPacket;
use mqtt5_protocol::packet::publish::PublishPacket;
use mqtt5_protocol::{QoS, ReasonCode as Reason};

use super::connection::{CloseReason, Connection};
use super::handshake::Broker;
use super::message::Message;
use super::services;
use super::topic::{TopicFault, TopicName};
use crate::faults::{Answer, Fault};
use crate::limits::{IN_FLIGHT, PAYLOAD_BYTES, TOPIC_ALIASES};
use crate::policy::{Action, Decision};
use crate::registry::CertificateId;

/// Who publishes.
pub(super) struct Publisher {
    pub(super) broker: Broker,
    pub(super) certificate: CertificateId,
    pub(super) client_id: String,
}

/// A publish that the broker does not take, while the connection goes on where it can.
pub(super) struct Refusal {
    reason: Reason,
    pub(super) why: String,
}

impl Connection {
    /// Takes a publish: routes it, refuses it with a PUBACK, or ends the connection.
    pub(super) fn publish(&mut self, publish: PublishPacket) -> Result<(), CloseReason> {
        self.publisher.broker.counters.publishes_received.add();
        let end = |reason, why: &str| Err(CloseReason::ByBroker(reason, why.to_owned()));
        if publish.qos == QoS::ExactlyOnce {
            return end(Reason::QoSNotSupported, "it published with QoS 2, and the CONNACK says 1 at most");
        }
        if publish.payload.len() > PAYLOAD_BYTES {
            return end(Reason::PacketTooLarge, "its payload is larger than 128 KiB");
        }
        self.check_window(&publish)?;
        let topic = self.topic_of(&publish)?;
        if self.publisher.broker.faults.strikes(&Fault::Throttle) {
            tracing::warn!(
                client_id = self.client.client_id,
                "publish throttled: neither taken nor acknowledged"
            );
            return Ok(());
        }
        match topic.and_then(|topic| self.take(topic, &publish)) {
            Ok(()) => {
                self.acknowledge(&publish, Reason::Success);
                Ok(())
            }
            Err(Refusal { reason: Reason::NotAuthorized, why }) if self.closes_on_deny() => {
                Err(CloseReason::Closed(why))
            }
            Err(Refusal { reason, why }) if publish.qos == QoS::AtLeastOnce => {
                tracing::warn!(client_id = self.client.client_id, ?reason, why, "publish refused");
                self.acknowledge(&publish, reason);
                Ok(())
            }
            Err(Refusal { reason: Reason::QuotaExceeded, why }) => {
                tracing::warn!(client_id = self.client.client_id, why, "publish dropped");
                Ok(())
            }
            // QoS 0 has no acknowledgement that could carry the refusal.
            Err(Refusal { reason, why }) => Err(CloseReason::ByBroker(reason, why)),
        }
    }

    /// Holds the client to its side of the flow control, which shows when PUBACKs are withheld.
    fn check_window(&mut self, publish: &PublishPacket) -> Result<(), CloseReason> {
        let Some(id) = publish.packet_id else { return Ok(()) };
        if self.unacknowledged.len() >= IN_FLIGHT.into() {
            let why =
                format!("it published while {IN_FLIGHT} publishes had no PUBACK (MQTT 5, section 3.3.4)");
            return Err(CloseReason::ByBroker(Reason::ReceiveMaximumExceeded, why));
        }
        if !self.unacknowledged.insert(id) {
            let why = format!("it sent publish {id} again on the same connection (MQTT 5, section 4.4)");
            return Err(CloseReason::ByBroker(Reason::ProtocolError, why));
        }
        Ok(())
    }

    /// Whether a denial closes the connection instead of being answered with a reason code.
    pub(super) fn closes_on_deny(&self) -> bool {
        self.publisher.broker.faults.strikes(&Fault::CloseOnDeny)
    }

    fn take(&self, topic: TopicName, publish: &PublishPacket) -> Result<(), Refusal> {
        let message = Message::new(topic, publish.payload.clone(), publish.qos, publish.retain)
            .with_properties(&publish.properties, Instant::now());
        self.publisher.may_publish(&message)?;
        if self.publisher.broker.faults.strikes(&Fault::QuotaExceeded) {
            return Err(Refusal { reason: Reason::QuotaExceeded, why: "a fault wants it".to_owned() });
        }
        self.publisher.route(message);
        Ok(())
    }

    /// The topic of a publish, by its name or by an alias. The outer error ends the connection.
    fn topic_of(&mut self, publish: &PublishPacket) -> Result<Result<TopicName, Refusal>, CloseReason> {
        let alias = publish.topic_alias();
        if alias.is_some_and(|alias| !(1..=TOPIC_ALIASES).contains(&alias)) {
            let why = format!("its topic alias is not within 1 to {TOPIC_ALIASES}");
            return Err(CloseReason::ByBroker(Reason::TopicAliasInvalid, why));
        }
        if publish.topic_name.is_empty() {
            let known = alias.and_then(|alias| self.aliases.get(&alias)).cloned();
            return known.map(Ok).ok_or_else(|| {
                let why = "it published without a topic, and without an alias that it had set".to_owned();
                CloseReason::ByBroker(Reason::ProtocolError, why)
            });
        }
        match TopicName::parse(&publish.topic_name) {
            Ok(topic) => {
                if let Some(alias) = alias {
                    self.aliases.insert(alias, topic.clone());
                }
                Ok(Ok(topic))
            }
            Err(fault @ TopicFault::Syntax) => Err(CloseReason::ByBroker(
                Reason::TopicNameInvalid,
                format!("the topic that it published to: {fault}"),
            )),
            Err(fault) => {
                let why = format!("the topic that it published to: {fault}");
                Ok(Err(Refusal { reason: Reason::TopicNameInvalid, why }))
            }
        }
    }

    fn acknowledge(&mut self, publish: &PublishPacket, reason: Reason) {
        let Some(id) = publish.packet_id else { return };
        if self.answer(Answer::Puback, &PubAckPacket::new_with_reason(id, reason)) {
            self.unacknowledged.remove(&id);
        }
    }
}

impl Publisher {
    /// Whether the policies let the client publish it.
    pub(super) fn may_publish(&self, message: &Message) -> Result<(), Refusal> {
        let not_authorized = |why| Refusal { reason: Reason::NotAuthorized, why };
        let topic = &message.topic;
        if message.retain && topic.is_reserved() {
            // AWS IoT developer guide, "MQTT retained messages".
            let why = format!("a reserved topic takes no retained message: {}", topic.as_str());
            return Err(not_authorized(why));
        }
        let actions: &[Action] =
            if message.retain { &[Action::Publish, Action::RetainPublish] } else { &[Action::Publish] };
        for action in actions {
            let registry = &self.broker.registry;
            let decision = registry.authorize(&self.certificate, &self.client_id, *action, topic.as_str());
            if decision != Decision::Allowed {
                let why = format!("{decision:?}: iot:{action:?} on topic/{}", topic.as_str());
                return Err(not_authorized(why));
            }
        }
        Ok(())
    }

    /// Hands a message over to the subscribers.
    pub(super) fn route(&self, message: Message) {
        self.broker.hub.record(&self.client_id, &message);
        if message.topic.is_reserved() {
            services::answer(&self.broker, &message);
        } else {
            self.broker.hub.route(Some(&self.client_id), &message, Instant::now());
        }
    }
}
