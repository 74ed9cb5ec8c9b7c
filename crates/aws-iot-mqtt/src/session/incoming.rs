//! What the server sends.

use rumqttc::v5::mqttbytes::QoS as WireQoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};

use super::{Session, protocol};
use crate::codec::Malformed;
use crate::reason::Reason as _;
use crate::{Error, Message, Properties, QoS, Topic};

impl Session {
    pub(super) fn packet(&mut self, packet: Packet) -> Result<(), Error> {
        let wrong = |name| Err(protocol(Malformed::WrongDirection(name)));
        match packet {
            Packet::Publish(publish) => return self.incoming(publish),
            Packet::PubAck(ack) => self.published(ack),
            Packet::SubAck(ack) => self.subscribed(ack),
            Packet::UnsubAck(ack) => self.unsubscribed(ack),
            // Any bytes are a sign of life, so there is nothing left to do.
            Packet::PingResp(_) => {}
            Packet::Disconnect(disconnect) => {
                return Err(Error::Disconnected {
                    client_id: self.client_id.clone(),
                    reason: disconnect.reason_code.reason(),
                    text: disconnect.properties.and_then(|properties| properties.reason_string),
                });
            }
            Packet::ConnAck(_) => return wrong("a second CONNACK"),
            Packet::Connect(..) => return wrong("CONNECT"),
            Packet::Subscribe(_) => return wrong("SUBSCRIBE"),
            Packet::Unsubscribe(_) => return wrong("UNSUBSCRIBE"),
            Packet::PingReq(_) => return wrong("PINGREQ"),
            Packet::Auth(_) => return wrong("AUTH"),
            Packet::PubRec(_) | Packet::PubRel(_) | Packet::PubComp(_) => {
                return Err(protocol(Malformed::Qos2));
            }
        }
        Ok(())
    }

    fn incoming(&mut self, publish: Publish) -> Result<(), Error> {
        let qos = match publish.qos {
            WireQoS::AtMostOnce => QoS::AtMostOnce,
            WireQoS::AtLeastOnce => QoS::AtLeastOnce,
            WireQoS::ExactlyOnce => return Err(protocol(Malformed::Qos2)),
        };
        let no_topic = |error: Error| protocol(Malformed::Topic(error.to_string()));
        let name = String::from_utf8_lossy(&publish.topic).into_owned();
        let properties = publish.properties.map(Properties::from_wire).transpose().map_err(no_topic)?;
        let message = Message {
            topic: Topic::try_from(name).map_err(no_topic)?,
            payload: publish.payload,
            qos,
            retain: publish.retain,
            duplicate: publish.dup,
            properties: properties.map(Box::new),
            acknowledgement: None,
        };
        self.counters.received.add(1);
        if let Some(id) = self.inbox.take(message, publish.pkid).map_err(protocol)? {
            self.acknowledge(id);
        }
        Ok(())
    }
}
