//! A message on its way out.

use std::time::Duration;

use bytes::Bytes;

use crate::properties::NONE;
use crate::{Error, PayloadFormat, Properties, QoS, Topic};

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
#[must_use = "nothing is sent before `Client::publish_with` or `Client::try_publish`"]
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
    pub fn new<T>(topic: T, qos: QoS, payload: impl Into<Payload>) -> Result<Self, Error>
    where
        T: TryInto<Topic>,
        Error: From<T::Error>,
    {
        let Payload(payload) = payload.into();
        Ok(Self { topic: topic.try_into()?, qos, payload, retain: false, properties: None })
    }

    /// The server shall keep it for those who subscribe later. AWS IoT Core wants `iot:RetainPublish` for it.
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// Whether the payload is text.
    pub fn payload_format(mut self, format: PayloadFormat) -> Self {
        self.properties_mut().payload_format = Some(format);
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

    /// What the answer shall carry, so that it is known which request it belongs to.
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
    /// counted, by the wall clock; when it is over before the server has the message, the message is dropped
    /// ([`Error::Expired`]).
    pub fn message_expiry_interval(mut self, interval: Duration) -> Self {
        self.properties_mut().message_expiry_interval = Some(interval);
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

/// The content of a message, from whatever holds bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(Bytes);

macro_rules! payload_from {
    ($($source:ty: $bytes:expr),+ $(,)?) => {
        $(impl From<$source> for Payload {
            fn from(source: $source) -> Self {
                Self($bytes(source))
            }
        })+
    };
}

payload_from! {
    Bytes: |bytes| bytes,
    Vec<u8>: Bytes::from,
    String: Bytes::from,
    &[u8]: Bytes::copy_from_slice,
    &Vec<u8>: |bytes: &Vec<u8>| Bytes::copy_from_slice(bytes),
    &str: |text: &str| Bytes::copy_from_slice(text.as_bytes()),
    &String: |text: &String| Bytes::copy_from_slice(text.as_bytes()),
}

impl<const N: usize> From<&[u8; N]> for Payload {
    fn from(bytes: &[u8; N]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}
