//! Sequences of packets and commands, without a socket and without a clock.

mod acknowledging;
mod model;
mod random;
mod receiving;
mod reconnecting;
mod sending;
mod server;
mod subscribing;

use bytes::{BufMut as _, Bytes, BytesMut};
use rumqttc::v5::mqttbytes::QoS as WireQoS;
use rumqttc::v5::mqttbytes::v5::{
    PubAck, PubAckProperties, PubAckReason, Publish, SubAck, SubscribeReasonCode, UnsubAck, UnsubAckReason,
};
use tokio::sync::oneshot;

use super::requests::QUEUE;
use super::*;
use crate::event::Events;
use crate::{Filter, Publication, QoS, Subscription};

const CLIENT: &str = "device-1";

/// A session with the server's end in the test's hands.
struct Wire {
    session: Session,
    now: Instant,
    /// Messages that are done with, and their bytes.
    left: (usize, usize),
}

impl Wire {
    fn new(receive_maximum: u16) -> Self {
        Self::with(unpaced(), receive_maximum)
    }

    fn with(limits: Limits, receive_maximum: u16) -> Self {
        let mut wire = Self::offline(limits);
        let granted = granted::tests::granted(receive_maximum, &wire.session.limits);
        wire.session.connected(granted, wire.now);
        wire
    }

    fn offline(limits: Limits) -> Self {
        let (hub, counters) = (Arc::default(), Arc::default());
        let session = Session::new(Arc::new(limits), CLIENT.to_owned(), hub, counters);
        Self { session, now: Instant::now(), left: (0, 0) }
    }

    /// The connection breaks, and the next one stands.
    fn reconnect(&mut self, session_present: bool) {
        self.session.disconnected();
        let limits = Arc::clone(&self.session.limits);
        let granted = match session_present {
            true => granted::tests::resumed(100, &limits),
            false => granted::tests::granted(100, &limits),
        };
        self.session.connected(granted, self.now);
    }

    fn events(&self) -> Events {
        self.session.hub.listen()
    }

    fn publish(&mut self, topic: &str, qos: QoS, payload: &[u8]) -> oneshot::Receiver<Result<(), Error>> {
        self.put(Publication::new(topic, qos, Bytes::copy_from_slice(payload)).unwrap())
    }

    fn put(&mut self, publication: Publication) -> oneshot::Receiver<Result<(), Error>> {
        let (entry, answered) = Entry::new(publication);
        self.session.outgoing().push_back(entry);
        self.session.send(self.now);
        self.settle();
        answered
    }

    fn subscribe(&mut self, filter: &str) -> oneshot::Receiver<Result<Subscription, Error>> {
        self.want(filter, false)
    }

    fn want(&mut self, filter: &str, manual: bool) -> oneshot::Receiver<Result<Subscription, Error>> {
        let (answer, answered) = oneshot::channel();
        let wanted = Wanted::new(filter.parse().unwrap(), QoS::AtLeastOnce, manual, answer);
        self.session.command(Command::Subscribe(vec![wanted]));
        answered
    }

    fn unsubscribe(&mut self, filter: &str) -> oneshot::Receiver<Result<(), Error>> {
        let (answer, answered) = oneshot::channel();
        self.session.command(Command::Unsubscribe(filter.parse().unwrap(), answer));
        answered
    }

    /// Subscribes, and the server agrees.
    fn subscribed(&mut self, filter: &str) -> Subscription {
        let answered = self.subscribe(filter);
        self.agreed(answered)
    }

    /// The server agrees to the last subscription.
    fn agreed(&mut self, mut answered: oneshot::Receiver<Result<Subscription, Error>>) -> Subscription {
        let id = match self.sent().last() {
            Some(Packet::Subscribe(packet)) => packet.pkid,
            other => panic!("no SUBSCRIBE but {other:?}"),
        };
        self.receive(suback(id, SubscribeReasonCode::Success(WireQoS::AtLeastOnce))).unwrap();
        answered.try_recv().unwrap().unwrap()
    }

    /// Everything that the session wants written.
    fn bytes(&mut self) -> BytesMut {
        let out = self.session.out();
        let mut bytes = BytesMut::new();
        bytes.put(out);
        bytes
    }

    /// The same, as packets.
    fn sent(&mut self) -> Vec<Packet> {
        let mut out = self.bytes();
        std::iter::from_fn(|| decode(&mut out, u32::MAX).unwrap()).collect()
    }

    fn receive(&mut self, packet: Packet) -> Result<(), Error> {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).unwrap();
        let result = self.session.received(&mut bytes, self.now);
        self.settle();
        result
    }

    /// Tells those whose messages are done with.
    fn settle(&mut self) {
        if let Some(left) = self.session.left() {
            self.left.0 += left.messages;
            self.left.1 += left.bytes;
            left.answers.into_iter().for_each(|(answer, result)| reply(answer, result));
        }
    }
}

/// AWS's limits without its rates.
fn unpaced() -> Limits {
    let mut limits = Limits::aws_iot_core();
    (limits.publishes_per_second, limits.bytes_per_second) = (None, None);
    limits
}

fn puback(id: u16) -> Packet {
    Packet::PubAck(PubAck::new(id, None))
}

fn suback(id: u16, code: SubscribeReasonCode) -> Packet {
    Packet::SubAck(SubAck { pkid: id, return_codes: vec![code], properties: None })
}

fn message(topic: &str, id: u16) -> Packet {
    let qos = if id == 0 { WireQoS::AtMostOnce } else { WireQoS::AtLeastOnce };
    Packet::Publish(Publish { pkid: id, ..Publish::new(topic, qos, id.to_string(), None) })
}

fn publish_ids(packets: &[Packet]) -> Vec<u16> {
    packets.iter().map(|p| if let Packet::Publish(p) = p { p.pkid } else { panic!("{p:?}") }).collect()
}

fn puback_ids(packets: &[Packet]) -> Vec<u16> {
    packets.iter().map(|p| if let Packet::PubAck(p) = p { p.pkid } else { panic!("{p:?}") }).collect()
}
