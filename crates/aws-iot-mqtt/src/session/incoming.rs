//! What the server sends.

use std::sync::Arc;

use rumqttc::v5::mqttbytes::QoS as WireQoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAck, PubAckReason, Publish, SubAck, SubscribeReasonCode};
use tracing::{debug, info};

use super::pending::{PendingPublish, PendingSubscribe};
use super::{Session, protocol, reply};
use crate::codec::Malformed;
use crate::{Error, Message, QoS, Subscription, Topic};

impl Session {
    pub(super) fn packet(&mut self, packet: Packet) -> Result<(), Error> {
        let wrong = |name| Err(protocol(Malformed::WrongDirection(name)));
        match packet {
            Packet::Publish(publish) => self.incoming(publish),
            Packet::PubAck(ack) => {
                self.published(ack);
                Ok(())
            }
            Packet::SubAck(ack) => {
                self.subscribed(ack);
                Ok(())
            }
            Packet::UnsubAck(ack) => {
                self.pending.take_unsubscribe(ack.pkid);
                Ok(())
            }
            // Any bytes are a sign of life, so there is nothing left to do.
            Packet::PingResp(_) => Ok(()),
            Packet::Disconnect(disconnect) => Err(Error::Disconnected {
                client_id: self.client_id.clone(),
                reason: disconnect.reason_code.into(),
                text: disconnect.properties.and_then(|properties| properties.reason_string),
            }),
            Packet::ConnAck(_) => wrong("a second CONNACK"),
            Packet::Connect(..) => wrong("CONNECT"),
            Packet::Subscribe(_) => wrong("SUBSCRIBE"),
            Packet::Unsubscribe(_) => wrong("UNSUBSCRIBE"),
            Packet::PingReq(_) => wrong("PINGREQ"),
            Packet::Auth(_) => wrong("AUTH"),
            Packet::PubRec(_) | Packet::PubRel(_) | Packet::PubComp(_) => Err(protocol(Malformed::Qos2)),
        }
    }

    fn incoming(&mut self, publish: Publish) -> Result<(), Error> {
        let qos = match publish.qos {
            WireQoS::AtMostOnce => QoS::AtMostOnce,
            WireQoS::AtLeastOnce => QoS::AtLeastOnce,
            WireQoS::ExactlyOnce => return Err(protocol(Malformed::Qos2)),
        };
        let name = String::from_utf8_lossy(&publish.topic).into_owned();
        let topic = Topic::try_from(name).map_err(|error| protocol(Malformed::Topic(error.to_string())))?;
        let message = Message { topic, payload: publish.payload, qos, retain: publish.retain };
        if let Some(taken) = self.inbox.take(message, publish.pkid).map_err(protocol)? {
            self.acknowledge(taken);
        }
        Ok(())
    }

    fn published(&mut self, ack: PubAck) {
        let Some(PendingPublish { topic, answer }) = self.pending.take_publish(ack.pkid) else {
            // Harmless, and real brokers do it after a reconnect: no reason to give up the connection.
            debug!(id = ack.pkid, "the server acknowledged a message that nobody waits for");
            return;
        };
        let result = match ack.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Ok(()),
            reason => Err(Error::PublishRefused {
                topic: String::from_utf8_lossy(&topic).into_owned(),
                reason: reason.into(),
                text: ack.properties.and_then(|properties| properties.reason_string),
            }),
        };
        reply(answer, result);
    }

    fn subscribed(&mut self, ack: SubAck) {
        let Some(pending) = self.pending.take_subscribe(ack.pkid) else {
            debug!(id = ack.pkid, "the server answered a subscription that nobody waits for");
            return;
        };
        let PendingSubscribe { filter, queue, sender, answer } = pending;
        let qos = match ack.return_codes.first() {
            Some(SubscribeReasonCode::Success(WireQoS::AtMostOnce)) => QoS::AtMostOnce,
            Some(SubscribeReasonCode::Success(_)) => QoS::AtLeastOnce,
            refused => {
                self.inbox.remove(&sender);
                let reason = refused.copied().unwrap_or(SubscribeReasonCode::Unspecified).into();
                let text = ack.properties.and_then(|properties| properties.reason_string);
                reply(answer, Err(Error::SubscribeRefused { filter: filter.to_string(), reason, text }));
                return;
            }
        };
        info!(%filter, ?qos, "subscribed");
        reply(answer, Ok(Subscription { filter, qos, queue, room: Arc::clone(self.room_notice()) }));
    }
}
