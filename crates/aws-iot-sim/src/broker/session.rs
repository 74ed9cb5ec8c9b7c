//! One connected client: its packets in, its messages out, its time-outs, its end.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode as Reason, Packet, PingResp};
use tokio::time::{Instant, sleep_until};

use super::connect::Accepted;
use super::handshake::Broker;
use super::link::{Link, Progress};
use super::membership::Membership;
use super::topic::TopicName;
use super::wire::{Incoming, WireFault};
use crate::registry::CertificateId;

pub(super) struct Session {
    pub(super) broker: Broker,
    pub(super) link: Link,
    pub(super) certificate: CertificateId,
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
    /// The broker ends it, for a reason.
    ByBroker(Reason, String),
}

impl Session {
    pub(super) fn new(
        broker: Broker,
        link: Link,
        certificate: CertificateId,
        client: Accepted,
        membership: Membership,
    ) -> Self {
        Self { broker, link, certificate, client, membership, aliases: HashMap::new() }
    }

    /// Serves the client until one side ends it.
    pub(super) async fn run(mut self) {
        let ending = match self.serve().await {
            Ok(never) => match never {},
            Err(ending) => ending,
        };
        let client_id = self.client.client_id.clone();
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
        };
        if publish_will {
            self.publish_will();
        }
        let Self { link, membership, .. } = self;
        drop(membership);
        link.close(reason).await;
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, Ending> {
        let patience = Duration::from_secs(self.client.keep_alive.into()).mul_f32(1.5);
        let mut silent_until = Instant::now() + patience;
        loop {
            // One packet, then the messages that it caused: a client that sends to itself must not fill its queue
            // before anything is taken out of it.
            while let Some(incoming) = self.link.take().map_err(wire_ending)? {
                silent_until = Instant::now() + patience;
                self.handle(incoming)?;
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

    fn handle(&mut self, incoming: Incoming) -> Result<(), Ending> {
        let packet = match incoming {
            Incoming::Packet(packet) => packet,
            Incoming::Disconnect { publish_will } => return Err(Ending::ByClient { publish_will }),
        };
        match packet {
            Packet::Publish(publish) => self.publish(publish),
            Packet::PubAck(ack) => {
                if !self.membership.acknowledge(ack.pkid) {
                    tracing::debug!(
                        client_id = self.client.client_id,
                        id = ack.pkid,
                        "PUBACK for no message"
                    );
                }
                Ok(())
            }
            Packet::Subscribe(subscribe) => self.subscribe(subscribe),
            Packet::Unsubscribe(unsubscribe) => {
                self.unsubscribe(&unsubscribe);
                Ok(())
            }
            Packet::PingReq(_) => {
                self.link.send(&Packet::PingResp(PingResp));
                Ok(())
            }
            _ => {
                let why = "it sent a packet that no client sends here".to_owned();
                Err(Ending::ByBroker(Reason::ProtocolError, why))
            }
        }
    }

    fn deliver_waiting(&mut self) {
        while self.link.has_room() {
            let Some(publish) = self.membership.take() else { break };
            self.broker.counters.publishes_delivered.add();
            self.link.send(&Packet::Publish(publish));
        }
    }
}

fn wire_ending(fault: WireFault) -> Ending {
    let reason = match fault {
        WireFault::TooLarge => Reason::PacketTooLarge,
        WireFault::Protocol { .. } => Reason::ProtocolError,
        WireFault::Malformed(_) => Reason::MalformedPacket,
    };
    Ending::ByBroker(reason, fault.to_string())
}
