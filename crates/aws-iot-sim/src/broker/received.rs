//! What clients have published, for tests that want to know.

use super::hub::Hub;
use super::message::Message;
use crate::limits::RECEIVED_MESSAGES;

/// A message that a client has published and the broker has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// The sender.
    pub client_id: String,
    /// The topic, also where the client used an alias.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// 0 or 1.
    pub qos: u8,
    /// Whether it asked for the message to be retained.
    pub retain: bool,
}

impl Hub {
    /// What clients have published, the oldest first.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.state().received.iter().cloned().collect()
    }

    /// Remembers a message. The oldest is forgotten when there are too many.
    pub(super) fn record(&self, client_id: &str, message: &Message) {
        let received = &mut self.state().received;
        if received.len() >= RECEIVED_MESSAGES {
            received.pop_front();
        }
        received.push_back(Received {
            client_id: client_id.to_owned(),
            topic: message.topic.as_str().to_owned(),
            payload: message.payload.to_vec(),
            qos: message.qos.into(),
            retain: message.retain,
        });
    }
}
