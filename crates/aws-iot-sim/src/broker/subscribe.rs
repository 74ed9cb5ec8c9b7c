//! SUBSCRIBE and UNSUBSCRIBE.

use mqtt5_protocol::packet::suback::{SubAckPacket, SubAckReasonCode};
use mqtt5_protocol::packet::subscribe::{SubscribePacket, TopicFilter as Request};
use mqtt5_protocol::packet::subscribe_options::RetainHandling;
use mqtt5_protocol::packet::unsuback::{UnsubAckPacket, UnsubAckReasonCode};
use mqtt5_protocol::packet::unsubscribe::UnsubscribePacket;
use mqtt5_protocol::{PropertyId, QoS, ReasonCode as Reason};

use super::connection::{CloseReason, Connection};
use super::session::Subscription;
use super::topic::TopicFilter;
use crate::faults::Answer;
use crate::limits::FILTERS_PER_SUBSCRIBE;
use crate::policy::{Action, Decision};

impl Connection {
    /// Answers a SUBSCRIBE filter by filter, then sends the retained messages.
    pub(super) fn subscribe(&mut self, subscribe: &SubscribePacket) -> Result<(), CloseReason> {
        let end = |reason, why: &str| Err(CloseReason::ByBroker(reason, why.to_owned()));
        if subscribe.properties.contains(PropertyId::SubscriptionIdentifier) {
            return end(Reason::SubscriptionIdentifiersNotSupported, "it sent a subscription identifier");
        }
        // AWS sends no SUBACK when QoS 2 is requested (AWS IoT developer guide, "AWS IoT differences from MQTT
        // specifications"); a client would wait for ever without the reason.
        if subscribe.filters.iter().any(|filter| filter.options.qos == QoS::ExactlyOnce) {
            return end(Reason::QoSNotSupported, "it subscribed with QoS 2");
        }
        let mut retained = Vec::new();
        let mut reason_codes = Vec::with_capacity(subscribe.filters.len());
        let too_many = subscribe.filters.len() > FILTERS_PER_SUBSCRIBE;
        for filter in &subscribe.filters {
            let result = if too_many {
                let why = format!("more than {FILTERS_PER_SUBSCRIBE} filters in one SUBSCRIBE");
                Err((SubAckReasonCode::QuotaExceeded, why))
            } else {
                self.subscribe_one(filter)?
            };
            reason_codes.push(match result {
                Ok(retained_topic) => {
                    tracing::info!(client_id = self.client.client_id, filter = filter.filter, "subscribed");
                    retained.extend(retained_topic.map(|topic| (topic, filter.options.qos)));
                    SubAckReasonCode::from_qos(filter.options.qos)
                }
                Err((SubAckReasonCode::NotAuthorized, why)) if self.closes_on_deny() => {
                    return Err(CloseReason::Closed(why));
                }
                Err((code, why)) => {
                    let (client_id, filter) = (&self.client.client_id, &filter.filter);
                    tracing::warn!(client_id, filter, ?code, why, "subscription refused");
                    code
                }
            });
        }
        let mut suback = SubAckPacket::new(subscribe.packet_id);
        suback.reason_codes = reason_codes;
        self.answer(Answer::Suback, &suback);
        for (topic, qos) in retained {
            self.session.send_retained(&topic, qos);
        }
        Ok(())
    }

    /// Answers an UNSUBSCRIBE.
    pub(super) fn unsubscribe(&mut self, unsubscribe: &UnsubscribePacket) {
        let remove = |filter: &String| {
            if self.session.unsubscribe(filter) {
                UnsubAckReasonCode::Success
            } else {
                UnsubAckReasonCode::NoSubscriptionExisted
            }
        };
        let mut unsuback = UnsubAckPacket::new(unsubscribe.packet_id);
        unsuback.reason_codes = unsubscribe.filters.iter().map(remove).collect();
        self.answer(Answer::Unsuback, &unsuback);
    }

    /// Takes one filter. Returns the topic whose retained message is to be sent; the outer error ends the
    /// connection.
    #[allow(clippy::type_complexity, reason = "two kinds of refusal, each used once")]
    fn subscribe_one(
        &self,
        request: &Request,
    ) -> Result<Result<Option<String>, (SubAckReasonCode, String)>, CloseReason> {
        let options = &request.options;
        let parsed = match TopicFilter::parse(&request.filter) {
            Ok(parsed) => parsed,
            Err(fault) => return Ok(Err((SubAckReasonCode::TopicFilterInvalid, fault.to_string()))),
        };
        if parsed.group().is_some() && options.no_local {
            let why = "a shared subscription with No Local (MQTT 5, section 3.8.3.1)".to_owned();
            return Err(CloseReason::ByBroker(Reason::ProtocolError, why));
        }
        let decision = self.publisher.broker.registry.authorize(
            &self.publisher.certificate,
            &self.client.client_id,
            Action::Subscribe,
            parsed.as_str(),
        );
        if decision != Decision::Allowed {
            let why = format!("{decision:?}: iot:Subscribe on topicfilter/{}", parsed.as_str());
            return Ok(Err((SubAckReasonCode::NotAuthorized, why)));
        }
        let retained_topic = parsed.retained_topic().map(str::to_owned);
        let subscription = Subscription {
            filter: parsed,
            qos: options.qos,
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
        };
        let Some(is_new) = self.session.subscribe(subscription) else {
            let why =
                "too many subscriptions on one connection, or the session has been taken over".to_owned();
            return Ok(Err((SubAckReasonCode::QuotaExceeded, why)));
        };
        let send = match options.retain_handling {
            RetainHandling::SendAtSubscribe => true,
            RetainHandling::SendAtSubscribeIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        Ok(Ok(retained_topic.filter(|_| send)))
    }
}
