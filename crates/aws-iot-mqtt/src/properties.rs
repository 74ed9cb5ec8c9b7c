//! What MQTT 5 lets a message carry beside its payload.

use std::time::Duration;

use bytes::Bytes;

use crate::Topic;

/// What a message carries beside its payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Properties {
    /// Whether the payload is text.
    pub payload_format: Option<PayloadFormat>,
    /// What the payload is, e.g. `application/json`.
    pub content_type: Option<String>,
    /// Where an answer is expected.
    pub response_topic: Option<Topic>,
    /// What the answer shall carry, so that it is known which request it belongs to.
    pub correlation_data: Option<Bytes>,
    /// Names and values of the application's own.
    pub user_properties: Vec<(String, String)>,
    /// How long the message is worth delivering, in whole seconds.
    pub message_expiry_interval: Option<Duration>,
}

/// What a payload consists of (MQTT 5, section 3.3.2.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadFormat {
    /// Bytes that mean anything.
    Bytes = 0,
    /// Text in UTF-8.
    Utf8 = 1,
}

/// For messages that carry none, which is nearly all.
pub(crate) static NONE: Properties = Properties {
    payload_format: None,
    content_type: None,
    response_topic: None,
    correlation_data: None,
    user_properties: Vec::new(),
    message_expiry_interval: None,
};

impl Properties {
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
