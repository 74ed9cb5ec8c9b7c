//! PUBLISH from a client: limits, aliases, policies, and then the hub.

use std::time::Instant;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    DisconnectReasonCode as Reason, LastWill, Packet, PubAck, PubAckReason, Publish, PublishProperties,
};

use super::session::{Ending, Session};
use super::topic::{TopicFault, TopicName};
use crate::limits::{PAYLOAD_BYTES, TOPIC_ALIASES};
use crate::policy::{Action, Decision};

/// A publish that the broker does not take, while the connection goes on where it can.
struct Refusal(PubAckReason, Reason, String);

impl Session {
    /// Takes a publish: routes it, refuses it with a PUBACK, or ends the connection.
    pub(super) fn publish(&mut self, mut publish: Publish) -> Result<(), Ending> {
        self.broker.counters.publishes_received.add();
        let end = |reason, why: &str| Err(Ending::ByBroker(reason, why.to_owned()));
        if publish.qos == QoS::ExactlyOnce {
            return end(Reason::QoSNotSupported, "it published with QoS 2, and the CONNACK says 1 at most");
        }
        if publish.payload.len() > PAYLOAD_BYTES {
            return end(Reason::PacketTooLarge, "its payload is larger than 128 KiB");
        }
        if publish
            .properties
            .as_ref()
            .is_some_and(|properties| !properties.subscription_identifiers.is_empty())
        {
            return end(Reason::ProtocolError, "a client's publish has no subscription identifier");
        }
        let topic = self.topic_of(&mut publish)?;
        let taken = topic.and_then(|topic| self.may_publish(&topic, publish.retain).map(|()| topic));
        match taken {
            Ok(topic) => {
                self.route(&topic, &publish);
                self.acknowledge(&publish, PubAckReason::Success);
                Ok(())
            }
            Err(Refusal(reason, _, why)) if publish.qos == QoS::AtLeastOnce => {
                tracing::warn!(client_id = self.client.client_id, ?reason, why, "publish refused");
                self.acknowledge(&publish, reason);
                Ok(())
            }
            // QoS 0 has no acknowledgement that could carry the refusal.
            Err(Refusal(_, reason, why)) => Err(Ending::ByBroker(reason, why)),
        }
    }

    /// Publishes the client's will message, where it has one and may.
    pub(super) fn publish_will(&mut self) {
        let Some(LastWill { topic, message, qos, retain, properties }) = self.client.will.take() else {
            return;
        };
        let properties = properties.map(|properties| PublishProperties {
            payload_format_indicator: properties.payload_format_indicator,
            message_expiry_interval: properties.message_expiry_interval,
            response_topic: properties.response_topic,
            correlation_data: properties.correlation_data,
            user_properties: properties.user_properties,
            content_type: properties.content_type,
            ..PublishProperties::default()
        });
        let will = Publish { qos, retain, topic, payload: message, properties, ..Publish::default() };
        let Ok(topic) = TopicName::parse(&will.topic) else { return };
        match self.may_publish(&topic, will.retain) {
            Ok(()) => self.route(&topic, &will),
            Err(Refusal(.., why)) => {
                tracing::warn!(client_id = self.client.client_id, why, "will message refused");
            }
        }
    }

    /// The topic of a publish, by its name or by an alias. The outer error ends the connection.
    fn topic_of(&mut self, publish: &mut Publish) -> Result<Result<TopicName, Refusal>, Ending> {
        let alias = publish.properties.as_mut().and_then(|properties| properties.topic_alias.take());
        if alias.is_some_and(|alias| !(1..=TOPIC_ALIASES).contains(&alias)) {
            let why = format!("its topic alias is not within 1 to {TOPIC_ALIASES}");
            return Err(Ending::ByBroker(Reason::TopicAliasInvalid, why));
        }
        if publish.topic.is_empty() {
            let known = alias.and_then(|alias| self.aliases.get(&alias)).cloned();
            let Some(topic) = known else {
                let why = "it published without a topic, and without an alias that it had set".to_owned();
                return Err(Ending::ByBroker(Reason::ProtocolError, why));
            };
            publish.topic = topic.as_str().as_bytes().to_vec().into();
            return Ok(Ok(topic));
        }
        match TopicName::parse(&publish.topic) {
            Ok(topic) => {
                if let Some(alias) = alias {
                    self.aliases.insert(alias, topic.clone());
                }
                Ok(Ok(topic))
            }
            Err(fault @ TopicFault::Syntax) => Err(Ending::ByBroker(
                Reason::TopicNameInvalid,
                format!("the topic that it published to: {fault}"),
            )),
            Err(fault) => {
                let why = format!("the topic that it published to: {fault}");
                Ok(Err(Refusal(PubAckReason::TopicNameInvalid, Reason::TopicNameInvalid, why)))
            }
        }
    }

    fn may_publish(&self, topic: &TopicName, retain: bool) -> Result<(), Refusal> {
        let not_authorized = |why| Refusal(PubAckReason::NotAuthorized, Reason::NotAuthorized, why);
        if retain && topic.is_reserved() {
            // AWS IoT developer guide, "MQTT retained messages".
            return Err(not_authorized(format!(
                "a reserved topic takes no retained message: {}",
                topic.as_str()
            )));
        }
        let actions: &[Action] =
            if retain { &[Action::Publish, Action::RetainPublish] } else { &[Action::Publish] };
        for action in actions {
            let decision = self.broker.registry.authorize(
                &self.certificate,
                &self.client.client_id,
                *action,
                topic.as_str(),
            );
            if decision != Decision::Allowed {
                let why = format!("{decision:?}: iot:{action:?} on topic/{}", topic.as_str());
                return Err(not_authorized(why));
            }
        }
        Ok(())
    }

    fn route(&self, topic: &TopicName, publish: &Publish) {
        if topic.is_reserved() {
            tracing::info!(topic = topic.as_str(), "taken; rules, shadows and jobs are not simulated");
        } else {
            self.broker.hub.route(&self.client.client_id, topic, publish, Instant::now());
        }
    }

    fn acknowledge(&mut self, publish: &Publish, reason: PubAckReason) {
        if publish.qos == QoS::AtLeastOnce {
            self.link.send(&Packet::PubAck(PubAck { pkid: publish.pkid, reason, properties: None }));
        }
    }
}
