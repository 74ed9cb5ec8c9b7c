//! What the server knows of a client that keeps to the protocol: each of the client's packets is held against it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Publish,
    Subscribe,
    Unsubscribe,
}

/// The server's side of a session.
pub(super) struct Model {
    receive_maximum: usize,
    packet_bytes: usize,
    /// What the client waits for on this connection.
    outstanding: BTreeMap<u16, Kind>,
    /// Requests that were sent a second time, which is allowed once.
    repeated: BTreeSet<u16>,
    /// Messages that an earlier connection of the same session brought.
    earlier: BTreeSet<u16>,
    /// Our messages that the client has not acknowledged, in their order.
    to_acknowledge: VecDeque<u16>,
}

impl Model {
    pub(super) fn new(receive_maximum: u16, packet_bytes: u32) -> Self {
        Self {
            receive_maximum: receive_maximum.into(),
            packet_bytes: packet_bytes as usize,
            outstanding: BTreeMap::new(),
            repeated: BTreeSet::new(),
            earlier: BTreeSet::new(),
            to_acknowledge: VecDeque::new(),
        }
    }

    /// A new connection; what the earlier one brought is known where the session is kept.
    pub(super) fn reconnect(&mut self, session_present: bool, receive_maximum: u16, packet_bytes: u32) {
        let mut earlier = std::mem::take(&mut self.earlier);
        let publishes = self.outstanding.iter().filter(|(_, kind)| **kind == Kind::Publish);
        earlier.extend(publishes.map(|(id, _)| *id));
        *self = Self::new(receive_maximum, packet_bytes);
        if session_present {
            self.earlier = earlier;
        }
    }

    /// Bytes that the server sends, up to the first that are no packet.
    pub(super) fn sends(&mut self, bytes: &[u8]) {
        let mut bytes = BytesMut::from(bytes);
        while let Ok(Some(received)) = decode(&mut bytes, u32::MAX) {
            match received.packet {
                Packet::Publish(publish) if publish.qos == WireQoS::AtLeastOnce => {
                    self.to_acknowledge.push_back(publish.pkid);
                }
                Packet::PubAck(ack) => self.answers(ack.pkid, Kind::Publish),
                Packet::SubAck(ack) => self.answers(ack.pkid, Kind::Subscribe),
                Packet::UnsubAck(ack) => self.answers(ack.pkid, Kind::Unsubscribe),
                _ => {}
            }
        }
    }

    /// Takes what the client sends, panics where it breaks the protocol, and returns the answers of a server that
    /// agrees to everything.
    pub(super) fn receives(&mut self, bytes: &mut BytesMut) -> Vec<Packet> {
        let mut answers = Vec::new();
        loop {
            let before = bytes.len();
            let Some(packet) = decode_sent(bytes) else { break };
            let size = before - bytes.len();
            match packet {
                Packet::Publish(publish) => {
                    assert!(size <= self.packet_bytes, "{size} bytes are more than the server takes");
                    if publish.qos == WireQoS::AtLeastOnce {
                        let known = self.earlier.remove(&publish.pkid);
                        assert_eq!(publish.dup, known, "marked as a duplicate where it is one: {publish:?}");
                        self.asks(publish.pkid, Kind::Publish);
                        answers.push(puback(publish.pkid));
                    } else {
                        assert!(!publish.dup && publish.pkid == 0, "{publish:?}");
                    }
                }
                Packet::Subscribe(subscribe) => {
                    self.asks(subscribe.pkid, Kind::Subscribe);
                    let agreed = SubscribeReasonCode::Success(WireQoS::AtLeastOnce);
                    let return_codes = vec![agreed; subscribe.filters.len()];
                    answers.push(Packet::SubAck(SubAck {
                        pkid: subscribe.pkid,
                        return_codes,
                        properties: None,
                    }));
                }
                Packet::Unsubscribe(unsubscribe) => {
                    self.asks(unsubscribe.pkid, Kind::Unsubscribe);
                    let reasons = vec![UnsubAckReason::Success; unsubscribe.filters.len()];
                    answers.push(Packet::UnsubAck(UnsubAck {
                        pkid: unsubscribe.pkid,
                        reasons,
                        properties: None,
                    }));
                }
                Packet::PubAck(ack) => {
                    assert_eq!(
                        self.to_acknowledge.pop_front(),
                        Some(ack.pkid),
                        "in the order of the messages"
                    );
                }
                Packet::PingReq(_) => {}
                other => panic!("no packet of a client's: {other:?}"),
            }
        }
        answers
    }

    fn asks(&mut self, id: u16, kind: Kind) {
        assert_ne!(id, 0);
        assert!(!self.earlier.contains(&id), "{id} belongs to a message that is still to be sent again");
        let before = self.outstanding.insert(id, kind);
        let again = kind != Kind::Publish && before == Some(kind) && self.repeated.insert(id);
        assert!(before.is_none() || again, "{id} is in use");
        let publishes = self.outstanding.values().filter(|kind| **kind == Kind::Publish).count();
        assert!(publishes <= self.receive_maximum, "the server's window is kept");
    }

    fn answers(&mut self, id: u16, kind: Kind) {
        if self.outstanding.get(&id) == Some(&kind) {
            self.outstanding.remove(&id);
            self.repeated.remove(&id);
        }
    }
}
