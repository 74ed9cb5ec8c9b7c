//! A message on its way out.

use std::time::Duration;

use bytes::Bytes;

use crate::properties::NONE;
use crate::{Error, Properties, QoS, Topic};

/// A message to publish, with all that MQTT 5 lets it carry.
///
/// ```
/// use aws_iot_mqtt::{Publication, QoS};
///
/// let reading = Publication::new("gw-1/readings", QoS::AtLeastOnce, r#"{"celsius": 21.5}"#)?
///     .content_type("application/json")
///     .user_property("unit", "celsius")
///     .retain(true);
/// # Ok::<(), aws_iot_mqtt::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "nothing is sent before `Client::send` or `Client::submit`"]
pub struct Publication {
    pub(crate) topic: Topic,
    pub(crate) qos: QoS,
    pub(crate) payload: Bytes,
    pub(crate) retain: bool,
    /// In a box, since most messages have none.
    pub(crate) properties: Option<Box<Properties>>,
}

impl Publication {
    /// A message with a payload and nothing else.
    ///
    /// # Errors
    /// When the topic is none.
    pub fn new<T>(topic: T, qos: QoS, payload: impl Into<Bytes>) -> Result<Self, Error>
    where
        T: TryInto<Topic>,
        Error: From<T::Error>,
    {
        Ok(Self { topic: topic.try_into()?, qos, payload: payload.into(), retain: false, properties: None })
    }

    /// The server shall keep it for those who subscribe later. AWS IoT Core wants `iot:RetainPublish` for it.
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// What the payload is, e.g. `application/json`.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.properties_mut().content_type = Some(content_type.into());
        self
    }

    /// Where an answer is expected.
    pub fn response_topic(mut self, topic: Topic) -> Self {
        self.properties_mut().response_topic = Some(topic);
        self
    }

    /// What the answer shall carry, so that it is known which question it belongs to.
    pub fn correlation_data(mut self, data: impl Into<Bytes>) -> Self {
        self.properties_mut().correlation_data = Some(data.into());
        self
    }

    /// Adds a name and a value of the application's own.
    pub fn user_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties_mut().user_properties.push((name.into(), value.into()));
        self
    }

    /// How long the message is worth delivering, in whole seconds. The time that it waits here, for a connection, is
    /// counted; when it is over before the message was sent, the message is dropped ([`Error::Expired`]).
    pub fn expiry(mut self, expiry: Duration) -> Self {
        self.properties_mut().expiry = Some(expiry);
        self
    }

    /// The topic that it goes to.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    pub(crate) fn properties(&self) -> &Properties {
        self.properties.as_deref().unwrap_or(&NONE)
    }

    fn properties_mut(&mut self) -> &mut Properties {
        self.properties.get_or_insert_default()
    }
}
