//! The cloud side: what a test or an HTTP client publishes, and messages for one client that need no subscription.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use mqtt5_protocol::{Properties, QoS};
use tokio::sync::Notify;

use super::hub::Hub;
use super::message::Message;
use super::topic::{TopicFault, TopicName};
use crate::limits::PAYLOAD_BYTES;

/// Why the cloud side's message is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CloudFault {
    #[error("topic {0:?} cannot be published to: {1}")]
    Topic(String, #[source] TopicFault),
    #[error("the payload is larger than {PAYLOAD_BYTES} bytes")]
    TooLarge,
    #[error("client {0:?} is not connected")]
    NotConnected(String),
    #[error("the policies of client {0:?} do not allow iot:Receive on topic/{1}")]
    NotAllowed(String, String),
}

/// What the cloud side wants to send.
#[derive(Debug)]
pub(crate) struct CloudMessage<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: Bytes,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) properties: Properties,
}

impl Hub {
    /// Publishes a message as the cloud side, which no device policy limits. AWS's own topics reach their subscribers.
    pub(crate) fn publish(&self, message: CloudMessage<'_>) -> Result<(), CloudFault> {
        let now = Instant::now();
        self.route(None, &message.build(now)?, now);
        Ok(())
    }

    /// Sends a message at QoS 1 to one connected client, subscribed or not (SendDirectMessage). `acknowledged` is
    /// notified when its PUBACK comes.
    pub(crate) fn send_direct(
        &self,
        client_id: &str,
        message: CloudMessage<'_>,
        acknowledged: Arc<Notify>,
    ) -> Result<(), CloudFault> {
        let mut message = message.build(Instant::now())?;
        message.acknowledged = Some(acknowledged);
        let mut state = self.state();
        let connected = state.sessions.get_mut(client_id).filter(|session| session.is_connected());
        let session = connected.ok_or_else(|| CloudFault::NotConnected(client_id.to_owned()))?;
        if session.deliver(&self.registry, client_id, &message, QoS::AtLeastOnce, false) {
            Ok(())
        } else {
            Err(CloudFault::NotAllowed(client_id.to_owned(), message.topic.as_str().to_owned()))
        }
    }
}

impl CloudMessage<'_> {
    fn build(self, now: Instant) -> Result<Message, CloudFault> {
        if self.payload.len() > PAYLOAD_BYTES {
            return Err(CloudFault::TooLarge);
        }
        let topic =
            TopicName::parse(self.topic).map_err(|fault| CloudFault::Topic(self.topic.to_owned(), fault))?;
        Ok(Message::new(topic, self.payload, self.qos, self.retain).with_properties(&self.properties, now))
    }
}
