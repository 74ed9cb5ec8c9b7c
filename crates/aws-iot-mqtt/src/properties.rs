//! What MQTT 5 lets a message carry beside its payload.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5::PublishProperties;

use crate::{Error, Topic};

/// What a message carries beside its payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Properties {
    /// What the payload is, e.g. `application/json`.
    pub content_type: Option<String>,
    /// Where an answer is expected.
    pub response_topic: Option<Topic>,
    /// What the answer shall carry, so that it is known which question it belongs to.
    pub correlation_data: Option<Bytes>,
    /// Names and values of the application's own.
    pub user_properties: Vec<(String, String)>,
    /// How long the message is worth delivering, in whole seconds.
    pub expiry: Option<Duration>,
}

/// For messages that carry none, which is nearly all.
pub(crate) static NONE: Properties = Properties {
    content_type: None,
    response_topic: None,
    correlation_data: None,
    user_properties: Vec::new(),
    expiry: None,
};

impl Properties {
    /// As they go out, `expiry` being what is left of it.
    pub(crate) fn to_wire(&self, expiry: Option<Duration>) -> PublishProperties {
        PublishProperties {
            message_expiry_interval: expiry.map(seconds),
            response_topic: self.response_topic.as_ref().map(ToString::to_string),
            correlation_data: self.correlation_data.clone(),
            user_properties: self.user_properties.clone(),
            content_type: self.content_type.clone(),
            ..PublishProperties::default()
        }
    }

    pub(crate) fn from_wire(wire: PublishProperties) -> Result<Self, Error> {
        Ok(Self {
            content_type: wire.content_type,
            response_topic: wire.response_topic.map(Topic::try_from).transpose()?,
            correlation_data: wire.correlation_data,
            user_properties: wire.user_properties,
            expiry: wire.message_expiry_interval.map(|seconds| Duration::from_secs(seconds.into())),
        })
    }

    /// Each text or piece of data with its name: MQTT gives each a length of two bytes.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let own = self.user_properties.iter().flat_map(|(name, value)| {
            [("the name of a user property", name.len()), ("a user property", value.len())]
        });
        let content_type = self.content_type.iter().map(|text| ("the content type", text.len()));
        let correlation = self.correlation_data.iter().map(|data| ("the correlation data", data.len()));
        own.chain(content_type).chain(correlation)
    }

    /// What they take in memory, in bytes, beside the struct itself.
    pub(crate) fn bytes(&self) -> usize {
        let topic = self.response_topic.as_ref().map_or(0, |topic| topic.as_str().len());
        self.parts().map(|(_, bytes)| bytes).sum::<usize>() + topic
    }
}

/// Whole seconds, at least one: an expiry of 0 would mean "already expired".
pub(crate) fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX).max(1)
}
