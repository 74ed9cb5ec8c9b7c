//! Our messages as rumqttc's packets, and back. The codec's types stay out of the public API.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS as WireQoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, LastWillProperties, Publish, PublishProperties};

use super::Malformed;
use crate::{Message, PayloadFormat, Properties, Publication, QoS, Topic};

pub(crate) fn wire_qos(qos: QoS) -> WireQoS {
    match qos {
        QoS::AtMostOnce => WireQoS::AtMostOnce,
        QoS::AtLeastOnce => WireQoS::AtLeastOnce,
    }
}

/// A message's properties, `expires_in` being the rest of its expiry interval.
pub(crate) fn publish_properties(properties: &Properties, expires_in: Option<Duration>) -> PublishProperties {
    PublishProperties {
        payload_format_indicator: properties.payload_format.map(|format| format as u8),
        // An interval of 0 would mean "expired".
        message_expiry_interval: expires_in.map(|left| seconds(left).max(1)),
        response_topic: properties.response_topic.as_ref().map(ToString::to_string),
        correlation_data: properties.correlation_data.clone(),
        user_properties: properties.user_properties.clone(),
        content_type: properties.content_type.clone(),
        ..PublishProperties::default()
    }
}

pub(crate) fn last_will(publication: &Publication, delay: Option<Duration>) -> LastWill {
    let Publication { topic, qos, payload, retain, .. } = publication;
    let own = publication.properties();
    let PublishProperties {
        payload_format_indicator,
        message_expiry_interval,
        response_topic,
        correlation_data,
        user_properties,
        content_type,
        ..
    } = publish_properties(own, own.message_expiry_interval);
    LastWill {
        topic: Bytes::copy_from_slice(topic.as_str().as_bytes()),
        message: payload.clone(),
        qos: wire_qos(*qos),
        retain: *retain,
        properties: Some(LastWillProperties {
            delay_interval: delay.map(seconds),
            payload_format_indicator,
            message_expiry_interval,
            content_type,
            response_topic,
            correlation_data,
            user_properties,
        }),
    }
}

/// What the server sent as a message.
pub(crate) fn message(publish: Publish) -> Result<Message, Malformed> {
    let qos = match publish.qos {
        WireQoS::AtMostOnce => QoS::AtMostOnce,
        WireQoS::AtLeastOnce => QoS::AtLeastOnce,
        WireQoS::ExactlyOnce => return Err(Malformed::Qos2),
    };
    let name = String::from_utf8(publish.topic.into()).map_err(|error| {
        Malformed::Topic(format!("'{}' is not UTF-8", String::from_utf8_lossy(error.as_bytes())))
    })?;
    let topic = Topic::try_from(name).map_err(|error| Malformed::Topic(error.to_string()))?;
    let properties = publish.properties.map(received).transpose()?;
    Ok(Message {
        topic,
        payload: publish.payload,
        qos,
        retain: publish.retain,
        duplicate: publish.dup,
        properties: properties.map(Box::new),
        acknowledgement: None,
    })
}

fn received(wire: PublishProperties) -> Result<Properties, Malformed> {
    let response_topic = wire.response_topic.map(Topic::try_from).transpose();
    Ok(Properties {
        payload_format: match wire.payload_format_indicator {
            None => None,
            Some(0) => Some(PayloadFormat::Bytes),
            Some(1) => Some(PayloadFormat::Utf8),
            Some(other) => return Err(Malformed::Property(format!("payload format indicator is {other}"))),
        },
        content_type: wire.content_type,
        response_topic: response_topic
            .map_err(|error| Malformed::Property(format!("response topic is wrong: {error}")))?,
        correlation_data: wire.correlation_data,
        user_properties: wire.user_properties,
        message_expiry_interval: wire
            .message_expiry_interval
            .map(|seconds| Duration::from_secs(seconds.into())),
    })
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
