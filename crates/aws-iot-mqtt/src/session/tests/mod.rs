//! Sequences of packets and commands, without a socket and without a clock.

mod receiving;
mod sending;

use rumqttc::v5::mqttbytes::v5::{PubAckProperties, PubAckReason, SubAck, SubscribeReasonCode};

use super::*;

const CLIENT: &str = "device-1";

/// A session with the server's end in the test's hands.
struct Wire {
    session: Session,
    now: Instant,
}

impl Wire {
    fn new(receive_maximum: u16) -> Self {
        Self::with(Limits::aws_iot_core(), receive_maximum)
    }

    fn with(limits: Limits, receive_maximum: u16) -> Self {
        let now = Instant::now();
        let limits = Arc::new(limits);
        let granted = granted::tests::granted(receive_maximum, &limits);
        Self { session: Session::new(limits, granted, CLIENT.to_owned(), now), now }
    }

    fn publish(&mut self, topic: &str, qos: QoS, payload: &[u8]) -> oneshot::Receiver<Result<(), Error>> {
        let (answer, answered) = oneshot::channel();
        let (topic, payload) = (topic.parse().unwrap(), Bytes::copy_from_slice(payload));
        self.session.command(Command::Publish { topic, qos, payload, answer });
        answered
    }

    fn subscribe(&mut self, filter: &str) -> oneshot::Receiver<Result<Subscription, Error>> {
        let (answer, answered) = oneshot::channel();
        let filter = filter.parse().unwrap();
        self.session.command(Command::Subscribe { filter, qos: QoS::AtLeastOnce, answer });
        answered
    }

    /// Subscribes, and the server agrees.
    fn subscribed(&mut self, filter: &str) -> Subscription {
        let mut answered = self.subscribe(filter);
        let id = match self.sent().last() {
            Some(Packet::Subscribe(packet)) => packet.pkid,
            other => panic!("no SUBSCRIBE but {other:?}"),
        };
        self.receive(suback(id, SubscribeReasonCode::Success(WireQoS::AtLeastOnce))).unwrap();
        answered.try_recv().unwrap().unwrap()
    }

    /// Everything that the session wants written.
    fn sent(&mut self) -> Vec<Packet> {
        let mut out = self.session.out().split();
        std::iter::from_fn(|| decode(&mut out, u32::MAX).unwrap()).collect()
    }

    fn receive(&mut self, packet: Packet) -> Result<(), Error> {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).unwrap();
        self.session.received(&mut bytes, self.now)
    }
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
