//! What goes back and forth.

use bytes::Bytes;

use crate::acknowledgement::Acknowledgement;
use crate::properties::NONE;
use crate::{Properties, Topic};

/// How often a message arrives. There is no third level: AWS IoT Core knows no "exactly once".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QoS {
    /// QoS 0: sent once, nobody tells whether it arrived.
    AtMostOnce,
    /// QoS 1: acknowledged by the receiver, and therefore possibly sent more than once.
    AtLeastOnce,
}

/// A message that arrived on a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    pub(crate) acknowledgement: Option<Acknowledgement>,
}

impl Message {
    /// What it carries beside its payload.
    pub fn properties(&self) -> &Properties {
        self.properties.as_deref().unwrap_or(&NONE)
    }

    /// Tells the server that this program has the message safe, on a subscription that was asked for
    /// [`manual_acknowledgement`](crate::SubscribeOptions::manual_acknowledgement). Elsewhere, and the second time, it
    /// does nothing.
    ///
    /// A message that is not acknowledged when the connection ends is sent again on the next one, if the session is
    /// persistent. Acknowledgements go out in the order in which the messages came (MQTT 5, section 4.6), so one that is
    /// missing holds back later ones. Therefore a message that is dropped, with all its clones, counts as acknowledged:
    /// keep it for as long as it is not safe.
    pub fn acknowledge(&self) {
        if let Some(acknowledgement) = &self.acknowledgement {
            acknowledgement.give();
        }
    }
}
