//! The will message: published when a connection ends without DISCONNECT, at once or after its delay.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mqtt5_protocol::packet::connect::ConnectPacket;
use mqtt5_protocol::{Properties, QoS};
use tokio::sync::watch;
use tokio::time::timeout;

use super::message::Message;
use super::publish::Publisher;
use super::topic::TopicName;

/// What CONNECT says of the will message.
pub(super) struct Will {
    pub(super) topic: String,
    pub(super) qos: QoS,
    payload: Bytes,
    retain: bool,
    properties: Properties,
    delay: Duration,
}

impl Will {
    pub(super) fn of(connect: &ConnectPacket) -> Option<Self> {
        let will = connect.will.as_ref()?;
        let delay = will.properties.will_delay_interval.unwrap_or(0);
        Some(Self {
            topic: will.topic.clone(),
            qos: will.qos,
            payload: will.payload.clone().into(),
            retain: will.retain,
            properties: connect.will_properties.clone(),
            delay: Duration::from_secs(delay.into()),
        })
    }

    /// Publishes it at the end of a connection: after its delay, or when the session ends, whichever is first, and not if
    /// another connection continues the session before (MQTT 5, section 3.1.3.2.2). `latest` is the number of the session's
    /// latest connection, until the session ends.
    pub(super) async fn publish(
        self,
        publisher: Publisher,
        session_expiry: Duration,
        connection: u64,
        mut latest: watch::Receiver<u64>,
    ) {
        let delay = self.delay.min(session_expiry);
        if !delay.is_zero() {
            tracing::info!(client_id = publisher.client_id, ?delay, "will message delayed");
            // Whatever comes first is seen by the number.
            let _ = timeout(delay, latest.changed()).await;
            if *latest.borrow() != connection {
                tracing::info!(client_id = publisher.client_id, "no will message: the client is back");
                return;
            }
        }
        let Ok(topic) = TopicName::parse(&self.topic) else { return };
        // The expiry interval of the message begins now.
        let message = Message::new(topic, self.payload, self.qos, self.retain)
            .with_properties(&self.properties, Instant::now());
        match publisher.may_publish(&message) {
            Ok(()) => publisher.route(message),
            Err(refusal) => {
                tracing::warn!(client_id = publisher.client_id, why = refusal.why, "will message refused");
            }
        }
    }
}
