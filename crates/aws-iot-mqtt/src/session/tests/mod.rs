//! Sequences of packets and commands, without a socket and without a clock.

mod acknowledging;
mod blaming;
mod model;
mod random;
mod receiving;
mod reconnecting;
mod sending;
mod server;
mod subscribing;
mod waiting;

use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes::QoS as WireQoS;
use rumqttc::v5::mqttbytes::v5::{
    Packet, PubAck, PubAckProperties, PubAckReason, Publish, SubAck, SubscribeReasonCode, UnsubAck,
    UnsubAckReason,
};
use tokio::sync::{Notify, oneshot};

use super::*;
use crate::codec::{decode, decode_sent};
use crate::event::Events;
use crate::message_queue::{CAPACITY, Messages, WhenUnread, queue};
use crate::outbox::{Entry, Outbox};
use crate::{Cause, Limits, OutboxOptions, Publication, QoS, SubscribeOptions};

const CLIENT: &str = "device-1";
const SECOND: Duration = Duration::from_secs(1);
/// The operation time-out.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A session with the server's end in the test's hands.
struct Wire {
    session: Session,
    outbox: Arc<Outbox>,
    unrouted: Messages,
    now: Moment,
}

/// A stream as the application has it.
struct Stream {
    answered: oneshot::Receiver<Result<QoS, Error>>,
    messages: Messages,
}

impl Wire {
    fn new(receive_maximum: u16) -> Self {
        Self::with(unpaced(), receive_maximum)
    }

    fn with(limits: Limits, receive_maximum: u16) -> Self {
        let mut wire = Self::offline(limits);
        wire.accept(false, receive_maximum);
        wire
    }

    fn offline(limits: Limits) -> Self {
        Self::with_outbox(limits, OutboxOptions::new())
    }

    fn with_outbox(limits: Limits, options: OutboxOptions) -> Self {
        let (shared, writer) = Shared::new(options, Arc::new(limits));
        let unrouted = shared.messages.lock().unwrap().take().unwrap();
        let outbox = Arc::clone(&shared.outbox);
        let session = Session::new(Arc::clone(&shared), CLIENT.to_owned(), TIMEOUT, writer);
        let now = Moment { instant: Instant::now(), wall: SystemTime::now() };
        Self { session, outbox, unrouted, now }
    }

    /// A connection is accepted.
    fn accept(&mut self, session_present: bool, receive_maximum: u16) {
        let maximum_packet_size = self.session.shared.limits.maximum_packet_size;
        let others = Negotiated::for_tests();
        let negotiated = Negotiated { session_present, receive_maximum, maximum_packet_size, ..others };
        self.session.connected(negotiated, self.now);
    }

    /// The connection breaks, and the next one stands.
    fn reconnect(&mut self, session_present: bool) {
        self.session.disconnected(&Error::KeepAlive { after: TIMEOUT }, self.now);
        self.accept(session_present, 100);
    }

    fn pass(&mut self, time: Duration) -> Result<(), Error> {
        self.now.instant += time;
        self.now.wall += time;
        let result = self.session.timer(self.now);
        self.session.send(self.now);
        result
    }

    fn events(&self) -> Events {
        self.session.shared.hub.listen()
    }

    fn publish(&mut self, topic: &str, qos: QoS, payload: &[u8]) -> oneshot::Receiver<Result<(), Error>> {
        self.put(Publication::new(topic, qos, Bytes::copy_from_slice(payload)).unwrap())
    }

    fn put(&mut self, publication: Publication) -> oneshot::Receiver<Result<(), Error>> {
        let (entry, mut answered) = Entry::new(publication, self.now.wall);
        if let Err(error) = self.outbox.try_put(entry) {
            let (answer, refused) = oneshot::channel();
            answer.send(Err(error)).unwrap();
            answered = refused;
        }
        self.session.send(self.now);
        answered
    }

    fn subscribe(&mut self, filter: &str) -> Stream {
        self.subscribe_with(SubscribeOptions::new(filter, QoS::AtLeastOnce).unwrap())
    }

    fn subscribe_with(&mut self, options: SubscribeOptions) -> Stream {
        let (answer, answered) = oneshot::channel();
        let (request, messages) = self.request(options, Some(answer));
        self.session.command(Command::Subscribe(vec![request]), self.now);
        Stream { answered, messages }
    }

    fn request(&self, options: SubscribeOptions, answer: Option<Answer<QoS>>) -> (Subscriber, Messages) {
        let (writer, reader) =
            queue(Arc::clone(&self.session_waker()), options.capacity, options.when_unread);
        (Subscriber::new(options, writer, answer), reader)
    }

    fn session_waker(&self) -> Arc<Notify> {
        Arc::clone(&self.session.shared.waker)
    }

    fn unsubscribe(&mut self, filter: &str) -> oneshot::Receiver<Result<(), Error>> {
        let (answer, answered) = oneshot::channel();
        self.session.command(Command::Unsubscribe(filter.parse().unwrap(), answer), self.now);
        answered
    }

    /// Subscribes, and the server agrees.
    fn subscribed(&mut self, filter: &str) -> Stream {
        let stream = self.subscribe(filter);
        self.agree(stream)
    }

    /// The server agrees to the last subscription.
    fn agree(&mut self, mut stream: Stream) -> Stream {
        let id = match self.sent().last() {
            Some(Packet::Subscribe(packet)) => packet.pkid,
            other => panic!("no SUBSCRIBE but {other:?}"),
        };
        self.receive(suback(id, AGREED)).unwrap();
        stream.answered.try_recv().unwrap().unwrap();
        stream
    }

    /// Everything that the session wants written.
    fn bytes(&mut self) -> BytesMut {
        let bytes = BytesMut::from(self.session.output());
        self.session.written(bytes.len(), self.now);
        bytes
    }

    /// The same, as packets.
    fn sent(&mut self) -> Vec<Packet> {
        let mut out = self.bytes();
        std::iter::from_fn(|| decode_sent(&mut out)).collect()
    }

    fn receive(&mut self, packet: Packet) -> Result<(), Error> {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).unwrap();
        self.session.received(&mut bytes, self.now)
    }
}

const AGREED: SubscribeReasonCode = SubscribeReasonCode::Success(WireQoS::AtLeastOnce);

/// AWS's limits without its rates.
fn unpaced() -> Limits {
    let mut limits = Limits::aws_iot_core();
    (limits.publishes_per_second, limits.bytes_per_second) = (None, None);
    limits
}

/// The server hangs up.
fn hung_up() -> Error {
    let source = Cause::new(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
    Error::Lost { unanswered: None, source }
}

fn puback(id: u16) -> Packet {
    Packet::PubAck(PubAck::new(id, None))
}

fn refusal(id: u16, reason: PubAckReason) -> Packet {
    Packet::PubAck(PubAck { pkid: id, reason, properties: None })
}

fn suback(id: u16, code: SubscribeReasonCode) -> Packet {
    Packet::SubAck(SubAck { pkid: id, return_codes: vec![code], properties: None })
}

fn unsuback(id: u16) -> Packet {
    Packet::UnsubAck(UnsubAck { pkid: id, reasons: vec![UnsubAckReason::Success], properties: None })
}

fn message(topic: &str, id: u16) -> Packet {
    let qos = if id == 0 { WireQoS::AtMostOnce } else { WireQoS::AtLeastOnce };
    Packet::Publish(Publish { pkid: id, ..Publish::new(topic, qos, id.to_string(), None) })
}

fn publish_ids(packets: &[Packet]) -> Vec<u16> {
    packets.iter().map(|p| if let Packet::Publish(p) = p { p.pkid } else { panic!("{p:?}") }).collect()
}

fn puback_ids(packets: &[Packet]) -> Vec<u16> {
    let taken = |p: &Packet| match p {
        Packet::PubAck(p) if p.reason == PubAckReason::Success => p.pkid,
        other => panic!("{other:?}"),
    };
    packets.iter().map(taken).collect()
}
