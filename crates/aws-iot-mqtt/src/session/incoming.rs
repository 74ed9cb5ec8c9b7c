//! What comes in: the application's commands, and the server's packets.

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::v5::Packet;

use super::filter_state::reply;
use super::{Command, Session};
use crate::clock::{Moment, after};
use crate::codec::{ProtocolError, Reason, decode};
use crate::{Error, ReasonCode};

impl Session {
    pub(crate) fn command(&mut self, command: Command, now: Moment) {
        match command {
            Command::Subscribe(requests) => {
                for request in requests {
                    let count = self.subscriptions.count_with(&request.options.filter);
                    match self.limits.check_subscriptions(count) {
                        Ok(()) => self.subscriptions.subscribe(request),
                        Err(error) => reply(request.answer, Err(error)),
                    }
                }
            }
            Command::Unsubscribe(filter, answer) => self.subscriptions.unsubscribe(&filter, answer),
            Command::Timer(time, answer) => {
                self.timers.retain(|(_, answer)| !answer.is_closed());
                return self.timers.push((after(now.instant, time), answer));
            }
        }
        self.reconcile();
    }

    /// Takes all whole packets out of `buffer`.
    pub(crate) fn received(&mut self, buffer: &mut BytesMut, now: Moment) -> Result<(), Error> {
        if let Some(connection) = &mut self.connection {
            connection.keep_alive.heard(now.instant);
        }
        let result = self.packets(buffer, now);
        // Also what came before an error counts.
        self.complete();
        self.acknowledge();
        self.reconcile();
        self.send(now);
        result
    }

    fn packets(&mut self, buffer: &mut BytesMut, now: Moment) -> Result<(), Error> {
        while let Some(packet) = decode(buffer, self.limits.maximum_packet_size)? {
            self.packet(packet, now)?;
        }
        Ok(())
    }

    fn packet(&mut self, packet: Packet, now: Moment) -> Result<(), Error> {
        match packet {
            Packet::Publish(publish) => self.publish(publish)?,
            Packet::PubAck(ack) => self.published(ack, now.instant),
            Packet::SubAck(ack) => {
                let text = ack.properties.and_then(|properties| properties.reason_string);
                self.answered(ack.pkid, true, &reasons(ack.return_codes), &text)?;
            }
            Packet::UnsubAck(ack) => self.answered(ack.pkid, false, &reasons(ack.reasons), &None)?,
            // Any bytes are a sign of life, so there is nothing left to do.
            Packet::PingResp(_) => {}
            Packet::Disconnect(disconnect) => {
                return Err(Error::Disconnected {
                    client_id: self.client_id.clone(),
                    reason: disconnect.reason_code.reason(),
                    text: disconnect.properties.and_then(|properties| properties.reason_string),
                });
            }
            Packet::ConnAck(_) => return Err(ProtocolError::new(0x82, "a second CONNACK").into()),
            // The codec lets no other packet through.
            _ => return Err(ProtocolError::new(0x82, "a packet that only a client sends").into()),
        }
        Ok(())
    }
}

fn reasons(codes: Vec<impl Reason>) -> Vec<ReasonCode> {
    codes.into_iter().map(Reason::reason).collect()
}
