//! One client's session: what it has subscribed to, and the messages for it. It may outlive its connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mqtt5_protocol::encoding::variable_int_len;
use mqtt5_protocol::packet::publish::PublishPacket;
use mqtt5_protocol::{QoS, ReasonCode};
use tokio::sync::{Notify, oneshot, watch};

use super::delivery::Window;
use super::message::{Message, lower};
use super::negotiation::Accepted;
use super::topic::TopicFilter;
use crate::limits::WAITING_MESSAGES;
use crate::policy::{Action, Decision};
use crate::registry::{CertificateId, Registry};

#[derive(Debug)]
pub(super) struct Session {
    certificate: CertificateId,
    pub(super) subscriptions: Vec<Subscription>,
    /// Messages that are queued and not sent.
    waiting: VecDeque<Message>,
    window: Window,
    /// How long the session is kept after a connection.
    expiry: Duration,
    presence: Presence,
    /// The number of the latest connection. It is dropped when the session ends.
    pub(super) latest: watch::Sender<u64>,
}

#[derive(Debug)]
enum Presence {
    Connected(ActiveConnection),
    /// The session is kept until then.
    Away {
        until: Instant,
    },
}

/// The connection that a session has now.
#[derive(Debug)]
pub(super) struct ActiveConnection {
    pub(super) number: u64,
    /// The largest packet that the client takes, in bytes.
    pub(super) packet_maximum: Option<u32>,
    /// Notified when a message is queued.
    pub(super) wake: Arc<Notify>,
    pub(super) end: Option<oneshot::Sender<ReasonCode>>,
}

/// One subscription of one client.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    pub(super) filter: TopicFilter,
    pub(super) qos: QoS,
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
}

impl Session {
    pub(super) fn new(client: &Accepted, certificate: &CertificateId, connection: ActiveConnection) -> Self {
        Self {
            certificate: certificate.clone(),
            subscriptions: Vec::new(),
            waiting: VecDeque::new(),
            window: Window::new(client.receive_maximum),
            expiry: client.session_expiry,
            latest: watch::Sender::new(connection.number),
            presence: Presence::Connected(connection),
        }
    }

    /// Continues the session on a new connection, and ends an older one.
    pub(super) fn resume(
        &mut self,
        client: &Accepted,
        certificate: &CertificateId,
        connection: ActiveConnection,
    ) {
        self.end(ReasonCode::SessionTakenOver);
        self.certificate = certificate.clone();
        self.window.resume(client.receive_maximum);
        self.expiry = client.session_expiry;
        self.latest.send_replace(connection.number);
        self.presence = Presence::Connected(connection);
    }

    /// Whether the session outlives its connection.
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

    /// Changes how long the session is kept.
    pub(super) fn set_expiry(&mut self, expiry: Duration) {
        self.expiry = expiry;
    }

    /// Notes that the connection is closed. Messages at QoS 0 that were not sent are dropped.
    pub(super) fn leave(&mut self, now: Instant) {
        self.waiting.retain(|message| message.qos == QoS::AtLeastOnce);
        self.presence = Presence::Away { until: now + self.expiry };
    }

    /// Ends the connection. Returns whether there was one.
    pub(super) fn end(&mut self, reason: ReasonCode) -> bool {
        let Presence::Connected(connection) = &mut self.presence else { return false };
        connection.end.take().is_some_and(|end| end.send(reason).is_ok())
    }

    /// The next packet to send, if one may be sent.
    pub(super) fn take(&mut self, now: Instant) -> Option<PublishPacket> {
        if let Some(repeated) = self.window.repeat() {
            return Some(repeated.message.packet(repeated.packet_id, true, now));
        }
        let Presence::Connected(ActiveConnection { packet_maximum, .. }) = self.presence else { return None };
        while self.window.is_open() {
            let message = self.waiting.pop_front()?;
            if message.is_expired(now) {
                tracing::info!(
                    topic = message.topic.as_str(),
                    "dropped: its message expiry interval has passed"
                );
                continue;
            }
            // A message that is too large for the client is dropped (MQTT 5, section 3.1.2.11.4).
            let is_too_large = |maximum: u32| packet_size(&message.packet(1, false, now)) > maximum as usize;
            if packet_maximum.is_some_and(is_too_large) {
                tracing::warn!("dropped: larger than the client's maximum packet");
                continue;
            }
            let delivery = self.window.enter(message);
            return Some(delivery.message.packet(delivery.packet_id, false, now));
        }
        None
    }

    /// Takes an acknowledgement. Returns whether a message was waiting for it.
    pub(super) fn acknowledge(&mut self, id: u16, reason: ReasonCode) -> bool {
        let Some(message) = self.window.acknowledge(id) else { return false };
        // A message that the client refuses is not sent again (MQTT 5, section 4.4), and it does not count as delivered.
        if let Some(acknowledged) = message.acknowledged.filter(|_| reason.is_success()) {
            acknowledged.notify_one();
        }
        true
    }

    /// Queues a message for the client, if its policies allow it to receive the message. Returns whether it was queued.
    pub(super) fn deliver(
        &mut self,
        registry: &Registry,
        client_id: &str,
        message: &Message,
        granted: QoS,
        retain: bool,
    ) -> bool {
        let topic = message.topic.as_str();
        let decision = registry.authorize(&self.certificate, client_id, Action::Receive, topic);
        if decision != Decision::Allowed {
            tracing::warn!(client_id, topic, ?decision, "not delivered: iot:Receive on the topic");
            return false;
        }
        let qos = lower(granted, message.qos);
        let full = self.waiting.len() >= WAITING_MESSAGES;
        match &self.presence {
            Presence::Away { .. } if qos == QoS::AtMostOnce => return false,
            Presence::Away { .. } if full => {
                tracing::warn!(client_id, "dropped: {WAITING_MESSAGES} messages are stored for it");
                return false;
            }
            Presence::Connected(_) if full => {
                tracing::warn!(client_id, "disconnected: {WAITING_MESSAGES} messages wait and it takes none");
                self.end(ReasonCode::QuotaExceeded);
                return false;
            }
            Presence::Away { .. } => {}
            Presence::Connected(connection) => connection.wake.notify_one(),
        }
        self.waiting.push_back(message.delivered(qos, retain));
        true
    }
}

fn packet_size(packet: &PublishPacket) -> usize {
    let body = packet.body_encoded_size();
    1 + variable_int_len(u32::try_from(body).unwrap_or(u32::MAX)) + body
}
