//! One client's session: what it has subscribed to, and the messages for it. It may outlive its connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode, Publish};
use tokio::sync::{Notify, oneshot};

use super::connect::Accepted;
use super::delivery::Window;
use super::topic::{TopicFilter, TopicName};
use crate::limits::WAITING_MESSAGES;
use crate::policy::{Action, Decision};
use crate::registry::{CertificateId, Registry};

#[derive(Debug)]
pub(super) struct Member {
    certificate: CertificateId,
    pub(super) subscriptions: Vec<Subscription>,
    /// Not sent yet.
    waiting: VecDeque<Publish>,
    window: Window,
    /// How long the session is kept after a connection.
    expiry: Duration,
    presence: Presence,
}

#[derive(Debug)]
enum Presence {
    Connected(Connection),
    /// The session is kept until then.
    Away {
        until: Instant,
    },
}

/// The connection that a session has now.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) number: u64,
    /// The largest packet that the client takes, in bytes.
    pub(super) packet_maximum: Option<u32>,
    /// Rung when a message comes.
    pub(super) bell: Arc<Notify>,
    pub(super) end: Option<oneshot::Sender<DisconnectReasonCode>>,
}

/// One subscription of one client.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    pub(super) filter: TopicFilter,
    pub(super) qos: QoS,
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
}

impl Member {
    pub(super) fn new(client: &Accepted, certificate: &CertificateId, connection: Connection) -> Self {
        Self {
            certificate: certificate.clone(),
            subscriptions: Vec::new(),
            waiting: VecDeque::new(),
            window: Window::new(client.receive_maximum),
            expiry: client.session_expiry,
            presence: Presence::Connected(connection),
        }
    }

    /// The same session with a new connection. An older one has to go.
    pub(super) fn resume(&mut self, client: &Accepted, certificate: &CertificateId, connection: Connection) {
        self.end(DisconnectReasonCode::SessionTakenOver);
        self.certificate = certificate.clone();
        self.window.resume(client.receive_maximum);
        self.expiry = client.session_expiry;
        self.presence = Presence::Connected(connection);
    }

    /// Whether another connection finds the session.
    pub(super) fn is_kept(&self) -> bool {
        !self.expiry.is_zero()
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        matches!(self.presence, Presence::Away { until } if until <= now)
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(self.presence, Presence::Connected(_))
    }

    pub(super) fn uses(&self, certificate: &CertificateId) -> bool {
        self.certificate == *certificate
    }

    pub(super) fn has_connection(&self, number: u64) -> bool {
        matches!(&self.presence, Presence::Connected(connection) if connection.number == number)
    }

    /// The connection is gone. What is at QoS 0 was for that connection only.
    pub(super) fn leave(&mut self, now: Instant) {
        self.waiting.retain(|message| message.qos == QoS::AtLeastOnce);
        self.presence = Presence::Away { until: now + self.expiry };
    }

    /// Ends the connection. Returns whether there was one.
    pub(super) fn end(&mut self, reason: DisconnectReasonCode) -> bool {
        let Presence::Connected(connection) = &mut self.presence else { return false };
        connection.end.take().is_some_and(|end| end.send(reason).is_ok())
    }

    /// The next message to send, if one may be sent.
    pub(super) fn take(&mut self) -> Option<Publish> {
        if let Some(repeated) = self.window.repeat() {
            return Some(repeated);
        }
        let Presence::Connected(Connection { packet_maximum, .. }) = self.presence else { return None };
        while self.window.is_open() {
            let mut publish = self.waiting.pop_front()?;
            // A message that is too large for the client is dropped (MQTT 5, section 3.1.2.11.4). The packet id of
            // two bytes is not yet in the size.
            if packet_maximum.is_some_and(|maximum| publish.size() + 2 > maximum as usize) {
                tracing::warn!("dropped: larger than the client's maximum packet");
                continue;
            }
            self.window.enter(&mut publish);
            return Some(publish);
        }
        None
    }

    /// Takes an acknowledgement. Returns whether a message was waiting for it.
    pub(super) fn acknowledge(&mut self, id: u16) -> bool {
        self.window.acknowledge(id)
    }

    /// Puts a message into the line for the client, if it may receive it.
    pub(super) fn deliver(
        &mut self,
        registry: &Registry,
        client_id: &str,
        topic: &TopicName,
        message: &Publish,
        granted: QoS,
        retain: bool,
    ) {
        let decision = registry.authorize(&self.certificate, client_id, Action::Receive, topic.as_str());
        if decision != Decision::Allowed {
            let topic = topic.as_str();
            tracing::warn!(client_id, topic, ?decision, "not delivered: iot:Receive on the topic");
            return;
        }
        let qos = if granted < message.qos { granted } else { message.qos };
        let full = self.waiting.len() >= WAITING_MESSAGES;
        match &self.presence {
            Presence::Away { .. } if qos == QoS::AtMostOnce => return,
            Presence::Away { .. } if full => {
                tracing::warn!(client_id, "dropped: {WAITING_MESSAGES} messages are stored for it");
                return;
            }
            Presence::Connected(_) if full => {
                tracing::warn!(client_id, "disconnected: {WAITING_MESSAGES} messages wait and it takes none");
                self.end(DisconnectReasonCode::QuotaExceeded);
                return;
            }
            Presence::Away { .. } => {}
            Presence::Connected(connection) => connection.bell.notify_one(),
        }
        self.waiting.push_back(Publish { qos, retain, dup: false, pkid: 0, ..message.clone() });
    }
}
