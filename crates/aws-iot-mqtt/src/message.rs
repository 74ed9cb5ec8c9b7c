//! What goes back and forth.

use bytes::Bytes;

use crate::Topic;

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
}
