//! SUBSCRIBE and UNSUBSCRIBE.

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    DisconnectReasonCode as Reason, Filter, Packet, RetainForwardRule, SubAck, Subscribe,
    SubscribeReasonCode, UnsubAck, UnsubAckReason, Unsubscribe,
};

use super::member::Subscription;
use super::session::{Ending, Session};
use super::topic::TopicFilter;
use crate::limits::FILTERS_PER_SUBSCRIBE;
use crate::policy::{Action, Decision};

impl Session {
    /// Answers a SUBSCRIBE filter by filter, then sends the retained messages.
    pub(super) fn subscribe(&mut self, subscribe: Subscribe) -> Result<(), Ending> {
        let end = |reason, why: &str| Err(Ending::ByBroker(reason, why.to_owned()));
        if subscribe.pkid == 0 {
            return end(Reason::ProtocolError, "it subscribed with packet id 0");
        }
        if subscribe.properties.as_ref().is_some_and(|properties| properties.id.is_some()) {
            return end(Reason::SubscriptionIdentifiersNotSupported, "it sent a subscription identifier");
        }
        // AWS sends no SUBACK when QoS 2 is requested (AWS IoT developer guide, "AWS IoT differences from MQTT
        // specifications"); a client would wait for ever without the reason.
        if subscribe.filters.iter().any(|filter| filter.qos == QoS::ExactlyOnce) {
            return end(Reason::QoSNotSupported, "it subscribed with QoS 2");
        }
        let mut retained = Vec::new();
        let mut return_codes = Vec::with_capacity(subscribe.filters.len());
        let too_many = subscribe.filters.len() > FILTERS_PER_SUBSCRIBE;
        for filter in &subscribe.filters {
            let result = if too_many {
                let why = format!("more than {FILTERS_PER_SUBSCRIBE} filters in one SUBSCRIBE");
                Err((SubscribeReasonCode::QuotaExceeded, why))
            } else {
                self.subscribe_one(filter)?
            };
            return_codes.push(match result {
                Ok(retained_topic) => {
                    tracing::info!(client_id = self.client.client_id, filter = filter.path, "subscribed");
                    retained.extend(retained_topic.map(|topic| (topic, filter.qos)));
                    SubscribeReasonCode::Success(filter.qos)
                }
                Err((code, why)) => {
                    let (client_id, filter) = (&self.client.client_id, &filter.path);
                    tracing::warn!(client_id, filter, ?code, why, "subscription refused");
                    code
                }
            });
        }
        self.link.send(&Packet::SubAck(SubAck { pkid: subscribe.pkid, return_codes, properties: None }));
        for (topic, qos) in retained {
            self.membership.send_retained(&topic, qos);
        }
        Ok(())
    }

    /// Answers an UNSUBSCRIBE.
    pub(super) fn unsubscribe(&mut self, unsubscribe: &Unsubscribe) {
        let remove = |filter: &String| {
            if self.membership.unsubscribe(filter) {
                UnsubAckReason::Success
            } else {
                UnsubAckReason::NoSubscriptionExisted
            }
        };
        let reasons = unsubscribe.filters.iter().map(remove).collect();
        self.link.send(&Packet::UnsubAck(UnsubAck { pkid: unsubscribe.pkid, reasons, properties: None }));
    }

    /// Takes one filter. Returns the topic whose retained message is to be sent; the outer error ends the
    /// connection.
    #[allow(clippy::type_complexity, reason = "two kinds of refusal, each used once")]
    fn subscribe_one(
        &self,
        filter: &Filter,
    ) -> Result<Result<Option<String>, (SubscribeReasonCode, String)>, Ending> {
        let parsed = match TopicFilter::parse(&filter.path) {
            Ok(parsed) => parsed,
            Err(fault) => return Ok(Err((SubscribeReasonCode::TopicFilterInvalid, fault.to_string()))),
        };
        if parsed.group().is_some() && filter.nolocal {
            let why = "a shared subscription with No Local (MQTT 5, section 3.8.3.1)".to_owned();
            return Err(Ending::ByBroker(Reason::ProtocolError, why));
        }
        let decision = self.broker.registry.authorize(
            &self.certificate,
            &self.client.client_id,
            Action::Subscribe,
            parsed.as_str(),
        );
        if decision != Decision::Allowed {
            let why = format!("{decision:?}: iot:Subscribe on topicfilter/{}", parsed.as_str());
            return Ok(Err((SubscribeReasonCode::NotAuthorized, why)));
        }
        let retained_topic = parsed.retained_topic().map(str::to_owned);
        let subscription = Subscription {
            filter: parsed,
            qos: filter.qos,
            no_local: filter.nolocal,
            retain_as_published: filter.preserve_retain,
        };
        let Some(is_new) = self.membership.subscribe(subscription) else {
            let why =
                "too many subscriptions on one connection, or the session has been taken over".to_owned();
            return Ok(Err((SubscribeReasonCode::QuotaExceeded, why)));
        };
        let send = match filter.retain_forward_rule {
            RetainForwardRule::OnEverySubscribe => true,
            RetainForwardRule::OnNewSubscribe => is_new,
            RetainForwardRule::Never => false,
        };
        Ok(Ok(retained_topic.filter(|_| send)))
    }
}
