//! One connected client: its packets in, its messages out, its time-outs, its end.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use mqtt5_protocol::ReasonCode as Reason;
use mqtt5_protocol::packet::disconnect::DisconnectPacket;
use mqtt5_protocol::packet::pingresp::PingRespPacket;
use mqtt5_protocol::packet::{MqttPacket, Packet};
use tokio::time::{Instant, sleep_until};

use super::handshake::Broker;
use super::link::{Link, Progress};
use super::membership::Membership;
use super::negotiation::Accepted;
use super::publish::Publisher;
use super::topic::TopicName;
use super::wire::WireFault;
use crate::faults::{Answer, Fault};
use crate::limits::SESSION_EXPIRY_MAX_SECONDS;
use crate::registry::CertificateId;

pub(super) struct Session {
    pub(super) publisher: Publisher,
    pub(super) link: Link,
    pub(super) client: Accepted,
    pub(super) membership: Membership,
    /// Topics by the aliases that the client gave them.
    pub(super) aliases: HashMap<u16, TopicName>,
}

/// Why a session is over.
#[derive(Debug)]
pub(super) enum Ending {
    /// The client said so.
    ByClient { publish_will: bool },
    /// The connection broke.
    Lost(io::Error),
    /// The broker ends it, for a reason that DISCONNECT says.
    ByBroker(Reason, String),
    /// The broker closes the connection without DISCONNECT.
    Closed(String),
}

impl Session {
    pub(super) fn new(
        broker: Broker,
        link: Link,
        certificate: CertificateId,
        client: Accepted,
        membership: Membership,
    ) -> Self {
        let publisher = Publisher { broker, certificate, client_id: client.client_id.clone() };
        Self { publisher, link, client, membership, aliases: HashMap::new() }
    }

    /// Serves the client until one side ends it.
    pub(super) async fn run(mut self) {
        let ending = match self.serve().await {
            Ok(never) => match never {},
            Err(ending) => ending,
        };
        let client_id = &self.client.client_id;
        let (reason, publish_will) = match ending {
            Ending::ByClient { publish_will } => {
                tracing::info!(client_id, publish_will, "disconnected by the client");
                (None, publish_will)
            }
            Ending::Lost(error) => {
                tracing::warn!(client_id, %error, "connection lost");
                (None, true)
            }
            Ending::ByBroker(reason, why) => {
                tracing::warn!(client_id, ?reason, why, "disconnected by the broker");
                (Some(reason), true)
            }
            Ending::Closed(why) => {
                tracing::warn!(client_id, why, "closed by the broker without DISCONNECT");
                (None, true)
            }
        };
        let Self { publisher, link, client, membership, .. } = self;
        let connection = membership.connection;
        drop(membership);
        if let Some(will) = client.will.filter(|_| publish_will) {
            tokio::spawn(will.publish(publisher, connection, client.session_expiry));
        }
        link.close(reason).await;
    }

    /// Sends an answer, unless a fault withholds it.
    pub(super) fn answer(&mut self, answer: Answer, packet: &impl MqttPacket) {
        if self.publisher.broker.faults.strikes(&Fault::Withhold(answer)) {
            tracing::warn!(client_id = self.client.client_id, ?answer, "withheld");
        } else {
            self.link.send(packet);
        }
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, Ending> {
        let patience = Duration::from_secs(self.client.keep_alive.into()).mul_f32(1.5);
        let mut silent_until = Instant::now() + patience;
        loop {
            // One packet, then the messages that it caused: a client that sends to itself must not fill its queue
            // before anything is taken out of it.
            while let Some(packet) = self.link.take().map_err(wire_ending)? {
                silent_until = Instant::now() + patience;
                self.handle(packet)?;
                self.deliver_waiting();
                if !self.link.has_room() {
                    break;
                }
            }
            self.deliver_waiting();
            tokio::select! {
                biased;
                reason = &mut self.membership.ended => {
                    let reason = reason.unwrap_or(Reason::ServerShuttingDown);
                    return Err(Ending::ByBroker(reason, "the broker ends the session".to_owned()));
                }
                () = sleep_until(silent_until) => {
                    let why = format!("silent for 1.5 times its keep-alive of {} s", self.client.keep_alive);
                    return Err(Ending::ByBroker(Reason::KeepAliveTimeout, why));
                }
                () = self.membership.bell.notified() => {}
                progress = self.link.progress() => match progress.map_err(Ending::Lost)? {
                    Progress::Read | Progress::Wrote => {}
                    Progress::End => return Err(Ending::Lost(io::ErrorKind::UnexpectedEof.into())),
                },
            }
        }
    }

    fn handle(&mut self, packet: Packet) -> Result<(), Ending> {
        match packet {
            Packet::Publish(publish) => self.publish(publish),
            Packet::PubAck(ack) => {
                if !self.membership.acknowledge(ack.packet_id) {
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
                Err(Ending::ByBroker(Reason::ProtocolError, why))
            }
        }
    }

    fn disconnect(&mut self, disconnect: &DisconnectPacket) -> Ending {
        if let Some(seconds) = disconnect.properties.get_session_expiry_interval() {
            if self.client.session_expiry.is_zero() && seconds > 0 {
                let why = "DISCONNECT keeps a session that CONNECT did not (MQTT 5, section 3.14.2.2.2)";
                return Ending::ByBroker(Reason::ProtocolError, why.to_owned());
            }
            let expiry = Duration::from_secs(seconds.min(SESSION_EXPIRY_MAX_SECONDS).into());
            self.client.session_expiry = expiry;
            self.membership.set_expiry(expiry);
        }
        // 4 is "disconnect with will message", any error code implies it (MQTT 5, section 3.14.2.1).
        Ending::ByClient { publish_will: disconnect.reason_code != Reason::Success }
    }

    fn deliver_waiting(&mut self) {
        while self.link.has_room() {
            let Some(publish) = self.membership.take() else { break };
            self.publisher.broker.counters.publishes_delivered.add();
            self.link.send(&publish);
        }
    }
}

fn wire_ending(fault: WireFault) -> Ending {
    Ending::ByBroker(fault.reason_code(), fault.to_string())
}
