//! One connected client: reads its packets, sends its messages, and ends the connection when it must.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::Duration;

use mqtt5_protocol::ReasonCode as Reason;
use mqtt5_protocol::packet::disconnect::DisconnectPacket;
use mqtt5_protocol::packet::pingresp::PingRespPacket;
use mqtt5_protocol::packet::{MqttPacket, Packet};
use tokio::time::{Instant, sleep_until};

use super::handshake::Broker;
use super::negotiation::Accepted;
use super::publish::Publisher;
use super::session_handle::SessionHandle;
use super::topic::TopicName;
use super::transport::{Progress, Transport};
use super::wire::WireFault;
use crate::faults::{Answer, Fault};
use crate::limits::SESSION_EXPIRY_MAX_SECONDS;
use crate::registry::CertificateId;

pub(super) struct Connection {
    pub(super) publisher: Publisher,
    pub(super) transport: Transport,
    pub(super) client: Accepted,
    pub(super) session: SessionHandle,
    /// Topics by the aliases that the client gave them.
    pub(super) aliases: HashMap<u16, TopicName>,
    /// The packet ids of publishes that were not acknowledged, since a fault withholds it.
    pub(super) unacknowledged: HashSet<u16>,
}

/// Why a connection is closed.
#[derive(Debug)]
pub(super) enum CloseReason {
    /// The client sent DISCONNECT.
    ByClient { publish_will: bool },
    /// The connection broke.
    Lost(io::Error),
    /// The broker sends DISCONNECT with this reason code.
    ByBroker(Reason, String),
    /// The broker closes the connection without DISCONNECT.
    Closed(String),
}

impl CloseReason {
    /// The `disconnectReason` (AWS IoT developer guide, "Lifecycle events").
    fn in_aws_words(&self) -> &'static str {
        match self {
            Self::ByClient { .. } => "CLIENT_INITIATED_DISCONNECT",
            Self::Lost(_) => "CONNECTION_LOST",
            Self::ByBroker(Reason::SessionTakenOver, _) => "DUPLICATE_CLIENTID",
            Self::ByBroker(Reason::KeepAliveTimeout, _) => "MQTT_KEEP_ALIVE_TIMEOUT",
            Self::ByBroker(Reason::ProtocolError, _) => "CLIENT_ERROR",
            Self::ByBroker(Reason::NotAuthorized, _) | Self::Closed(_) => "FORBIDDEN_ACCESS",
            Self::ByBroker(..) => "SERVER_INITIATED_DISCONNECT",
        }
    }
}

impl Connection {
    pub(super) fn new(
        broker: Broker,
        transport: Transport,
        certificate: CertificateId,
        client: Accepted,
        session: SessionHandle,
    ) -> Self {
        let publisher = Publisher { broker, certificate, client_id: client.client_id.clone() };
        Self {
            publisher,
            transport,
            client,
            session,
            aliases: HashMap::new(),
            unacknowledged: HashSet::new(),
        }
    }

    /// Serves the client until one side ends it.
    pub(super) async fn run(mut self) {
        let close_reason = match self.serve().await {
            Ok(never) => match never {},
            Err(close_reason) => close_reason,
        };
        let client_id = &self.client.client_id;
        self.session.hub.note_disconnect(client_id, close_reason.in_aws_words());
        let (reason, publish_will) = match close_reason {
            CloseReason::ByClient { publish_will } => {
                tracing::info!(client_id, publish_will, "disconnected by the client");
                (None, publish_will)
            }
            CloseReason::Lost(error) => {
                tracing::warn!(client_id, %error, "connection lost");
                (None, true)
            }
            CloseReason::ByBroker(reason, why) => {
                tracing::warn!(client_id, ?reason, why, "disconnected by the broker");
                (Some(reason), true)
            }
            CloseReason::Closed(why) => {
                tracing::warn!(client_id, why, "closed by the broker without DISCONNECT");
                (None, true)
            }
        };
        let Self { publisher, transport, client, session, .. } = self;
        let (connection, latest) = (session.connection, session.latest.clone());
        drop(session);
        if let Some(will) = client.will.filter(|_| publish_will) {
            tokio::spawn(will.publish(publisher, client.session_expiry, connection, latest));
        }
        transport.close(reason).await;
    }

    /// Sends an answer, unless a fault withholds it. Returns whether it was sent.
    pub(super) fn answer(&mut self, answer: Answer, packet: &impl MqttPacket) -> bool {
        let withheld = self.publisher.broker.faults.strikes(&Fault::Withhold(answer));
        if withheld {
            tracing::warn!(client_id = self.client.client_id, ?answer, "withheld");
        } else {
            self.transport.send(packet);
        }
        !withheld
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, CloseReason> {
        let patience = Duration::from_secs(self.client.keep_alive.into()).mul_f32(1.5);
        let mut silent_until = Instant::now() + patience;
        loop {
            // Deliver after each packet: a client that subscribes to its own messages would fill its queue otherwise.
            while let Some(packet) = self.transport.take().map_err(protocol_violation)? {
                silent_until = Instant::now() + patience;
                self.handle(packet)?;
                self.deliver_waiting();
                if !self.transport.has_room() {
                    break;
                }
            }
            self.deliver_waiting();
            tokio::select! {
                biased;
                reason = &mut self.session.ended => {
                    let reason = reason.unwrap_or(Reason::ServerShuttingDown);
                    return Err(CloseReason::ByBroker(reason, "the broker ends the session".to_owned()));
                }
                () = sleep_until(silent_until) => {
                    let why = format!("silent for 1.5 times its keep-alive of {} s", self.client.keep_alive);
                    return Err(CloseReason::ByBroker(Reason::KeepAliveTimeout, why));
                }
                () = self.session.wake.notified() => {}
                progress = self.transport.progress() => match progress.map_err(CloseReason::Lost)? {
                    Progress::Read | Progress::Wrote => {}
                    Progress::End => return Err(CloseReason::Lost(io::ErrorKind::UnexpectedEof.into())),
                },
            }
        }
    }

    fn handle(&mut self, packet: Packet) -> Result<(), CloseReason> {
        match packet {
            Packet::Publish(publish) => self.publish(publish),
            Packet::PubAck(ack) => {
                if !self.session.acknowledge(ack.packet_id, ack.reason_code) {
                    let (client_id, id) = (&self.client.client_id, ack.packet_id);
                    tracing::debug!(client_id, id, "PUBACK for no message");
                }
                Ok(())
            }
            Packet::Subscribe(subscribe) => self.subscribe(&subscribe),
            Packet::Unsubscribe(unsubscribe) => {
                self.unsubscribe(&unsubscribe);
                Ok(())
            }
            Packet::PingReq => {
                self.answer(Answer::Pingresp, &PingRespPacket::default());
                Ok(())
            }
            Packet::Disconnect(disconnect) => Err(self.disconnect(&disconnect)),
            other => {
                let why = format!("no client sends {} here", other.packet_type_name());
                Err(CloseReason::ByBroker(Reason::ProtocolError, why))
            }
        }
    }

    fn disconnect(&mut self, disconnect: &DisconnectPacket) -> CloseReason {
        if let Some(seconds) = disconnect.properties.get_session_expiry_interval() {
            if self.client.session_expiry.is_zero() && seconds > 0 {
                let why = "DISCONNECT keeps a session that CONNECT did not (MQTT 5, section 3.14.2.2.2)";
                return CloseReason::ByBroker(Reason::ProtocolError, why.to_owned());
            }
            let expiry = Duration::from_secs(seconds.min(SESSION_EXPIRY_MAX_SECONDS).into());
            self.client.session_expiry = expiry;
            self.session.set_expiry(expiry);
        }
        // 4 is "disconnect with will message", any error code implies it (MQTT 5, section 3.14.2.1).
        CloseReason::ByClient { publish_will: disconnect.reason_code != Reason::Success }
    }

    fn deliver_waiting(&mut self) {
        while self.transport.has_room() {
            let Some(publish) = self.session.take() else { break };
            self.publisher.broker.counters.publishes_delivered.add();
            self.transport.send(&publish);
        }
    }
}

fn protocol_violation(fault: WireFault) -> CloseReason {
    CloseReason::ByBroker(fault.reason_code(), fault.to_string())
}
