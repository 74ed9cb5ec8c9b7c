//! What goes back and forth: messages to publish, the will, and messages that arrive.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;

use crate::message_queue::Acknowledgement;
use crate::{Error, Topic};

/// How often a message arrives. There is no third level: AWS IoT Core knows no "exactly once".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QoS {
    /// QoS 0: sent once, nobody tells whether it arrived.
    AtMostOnce,
    /// QoS 1: acknowledged by the receiver, and therefore possibly sent more than once.
    AtLeastOnce,
}

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
    /// [`Error::InvalidTopic`].
    pub fn new(
        topic: impl TryInto<Topic, Error: Into<Error>>,
        qos: QoS,
        payload: impl Into<Payload>,
    ) -> Result<Self, Error> {
        let (topic, Payload(payload)) = (topic.try_into().map_err(Into::into)?, payload.into());
        Ok(Self { topic, qos, payload, retain: false, properties: None })
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

    /// See [`Properties::content_type`].
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

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl<T: AsRef<[u8]> + ?Sized> From<&T> for Payload {
    fn from(bytes: &T) -> Self {
        Self(Bytes::copy_from_slice(bytes.as_ref()))
    }
}

/// A message that the server publishes when the connection ends without a DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    pub(crate) publication: Publication,
    pub(crate) delay: Option<Duration>,
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
}

/// A message that arrived on a subscription.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Message {
    /// What it was published under.
    pub topic: Topic,
    /// The content: a slice of the buffer it was read into, not a copy. Whoever keeps a few bytes for long copies
    /// them, so that the buffer can go.
    pub payload: Bytes,
    /// How the server delivered it.
    pub qos: QoS,
    /// The server had kept it, and sent it because of a new subscription.
    pub retain: bool,
    /// The server says that it may have sent it before.
    pub duplicate: bool,
    pub(crate) properties: Option<Box<Properties>>,
    pub(crate) acknowledgement: Option<Arc<Acknowledgement>>,
}

impl Message {
    /// What it carries beside its payload.
    pub fn properties(&self) -> &Properties {
        self.properties.as_deref().unwrap_or(&NONE)
    }

    /// Tells the server that this program has the message safe, on a subscription with
    /// [`manual_acknowledgement`](crate::SubscribeOptions::manual_acknowledgement); elsewhere, it does nothing.
    ///
    /// A message that is not acknowledged when the connection ends is sent again on the next one, if the session is
    /// persistent. Acknowledgements go out in the order in which the messages came (MQTT 5, section 4.6), so one that is
    /// missing holds back later ones. Therefore a message that is dropped, with all its clones, counts as acknowledged.
    pub fn acknowledge(&self) {
        if let Some(acknowledgement) = &self.acknowledgement {
            acknowledgement.give();
        }
    }
}

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
pub(crate) static NONE: LazyLock<Properties> = LazyLock::new(Properties::default);

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
