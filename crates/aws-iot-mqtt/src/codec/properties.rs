//! Our messages as rumqttc's packets, and back. The codec's types stay out of the public API.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS as WireQoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, LastWillProperties, Publish, PublishProperties};

use super::ProtocolError;
use crate::{Error, Message, PayloadFormat, Properties, Publication, QoS, Topic, Will};

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

pub(crate) fn last_will(Will { publication, delay }: &Will) -> LastWill {
    let Publication { topic, qos, payload, retain, .. } = publication;
    let properties = publication.properties();
    let properties = publish_properties(properties, properties.message_expiry_interval);
    LastWill {
        topic: Bytes::copy_from_slice(topic.as_str().as_bytes()),
        message: payload.clone(),
        qos: wire_qos(*qos),
        retain: *retain,
        properties: Some(LastWillProperties {
            delay_interval: delay.map(seconds),
            payload_format_indicator: properties.payload_format_indicator,
            message_expiry_interval: properties.message_expiry_interval,
            content_type: properties.content_type,
            response_topic: properties.response_topic,
            correlation_data: properties.correlation_data,
            user_properties: properties.user_properties,
        }),
    }
}

/// What the server sent as a message. Its fields were checked by the rules before.
pub(crate) fn message(publish: Publish) -> Result<Message, ProtocolError> {
    let invalid = |error: Error| ProtocolError::new(0x82, error.to_string());
    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
    let properties = publish.properties.map(received).transpose().map_err(invalid)?;
    Ok(Message {
        topic: Topic::try_from(topic).map_err(invalid)?,
        payload: publish.payload,
        qos: if publish.qos == WireQoS::AtMostOnce { QoS::AtMostOnce } else { QoS::AtLeastOnce },
        retain: publish.retain,
        duplicate: publish.dup,
        properties: properties.map(Box::new),
        acknowledgement: None,
    })
}

fn received(wire: PublishProperties) -> Result<Properties, Error> {
    let expiry = wire.message_expiry_interval.map(|seconds| Duration::from_secs(seconds.into()));
    Ok(Properties {
        payload_format: wire.payload_format_indicator.map(|format| match format {
            0 => PayloadFormat::Bytes,
            _ => PayloadFormat::Utf8,
        }),
        content_type: wire.content_type,
        response_topic: wire.response_topic.map(Topic::try_from).transpose()?,
        correlation_data: wire.correlation_data,
        user_properties: wire.user_properties,
        message_expiry_interval: expiry,
    })
}

/// In whole seconds, as packets carry them.
pub(crate) fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
