//! What the server says when this client is gone without a goodbye.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5::{LastWill, LastWillProperties};

use crate::Publication;
use crate::properties::seconds;

/// A message that the server publishes when the connection ends without a goodbye.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    pub(crate) publication: Publication,
    delay: Option<Duration>,
}

impl Will {
    /// The message to leave behind. The policy has to allow `iot:Publish` on its topic.
    pub fn new(publication: Publication) -> Self {
        Self { publication, delay: None }
    }

    /// How long the server waits for the client to come back, in whole seconds, before it publishes. It waits no
    /// longer than the session lasts: without a persistent session, not at all.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    pub(crate) fn to_wire(&self) -> LastWill {
        let Publication { topic, qos, payload, retain, .. } = &self.publication;
        let properties = self.publication.properties();
        LastWill {
            topic: Bytes::copy_from_slice(topic.as_str().as_bytes()),
            message: payload.clone(),
            qos: qos.to_wire(),
            retain: *retain,
            properties: Some(LastWillProperties {
                delay_interval: self.delay.map(seconds),
                payload_format_indicator: None,
                message_expiry_interval: properties.expiry.map(seconds),
                content_type: properties.content_type.clone(),
                response_topic: properties.response_topic.as_ref().map(ToString::to_string),
                correlation_data: properties.correlation_data.clone(),
                user_properties: properties.user_properties.clone(),
            }),
        }
    }
}
