//! The protocol as a state machine without I/O: commands and packets in, bytes and answers out.
//!
//! It lives from CONNACK to the end of one connection. Time is a parameter, so that no test waits for a clock.

mod granted;
mod inbox;
mod incoming;
mod keep_alive;
mod pending;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes::QoS as WireQoS;
use rumqttc::v5::mqttbytes::v5::{
    Filter as WireFilter, Packet, PingReq, PubAck, Publish, Subscribe, Unsubscribe,
};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::debug;

pub(crate) use self::granted::{Granted, connect_packet};
use self::inbox::{Inbox, Taken};
use self::keep_alive::{Due, KeepAlive};
use self::pending::{Pending, PendingPublish, PendingSubscribe, PendingTable};
use crate::codec::{Malformed, decode};
use crate::{Cause, Error, Filter, Limits, QoS, Subscription, Topic};

/// How many messages wait for a slow reader, for each subscription: some dozen are a burst, more is a backlog.
const QUEUE: usize = 64;

/// Where no further commands are taken until the socket has taken some of what is written, in bytes.
const HIGH_WATER: usize = 256 * 1024;

/// The answer to a command. Dropped without an answer, it means that the session has ended, and the session's end
/// says why.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// What the application asks of the session.
pub(crate) enum Command {
    Publish { topic: Topic, qos: QoS, payload: Bytes, answer: Answer<()> },
    Subscribe { filter: Filter, qos: QoS, answer: Answer<Subscription> },
}

pub(crate) struct Session {
    limits: Arc<Limits>,
    granted: Granted,
    client_id: String,
    pending: PendingTable,
    inbox: Inbox,
    keep_alive: KeepAlive,
    /// What goes out with the next write: everything that is ready, together. The payload is copied once, to here.
    out: BytesMut,
}

impl Session {
    pub(crate) fn new(limits: Arc<Limits>, granted: Granted, client_id: String, now: Instant) -> Self {
        let keep_alive = KeepAlive::new(granted.keep_alive, now);
        // What this client says in CONNECT that it takes.
        let inbox = Inbox::new(u64::from(limits.in_flight) * u64::from(limits.packet_bytes));
        Self {
            limits,
            granted,
            client_id,
            pending: PendingTable::default(),
            inbox,
            keep_alive,
            out: BytesMut::new(),
        }
    }

    /// How many commands may come in now. QoS 1 messages beyond the server's window stay in the caller's queue.
    pub(crate) fn room(&self) -> usize {
        if self.out.len() >= HIGH_WATER {
            return 0;
        }
        let window = usize::from(self.granted.receive_maximum).saturating_sub(self.pending.publishes());
        window.min(self.pending.free_ids())
    }

    pub(crate) fn command(&mut self, command: Command) {
        match command {
            Command::Publish { topic, qos, payload, answer } => self.publish(topic, qos, payload, answer),
            Command::Subscribe { filter, qos, answer } => self.subscribe(filter, qos, answer),
        }
    }

    /// Takes all whole packets out of `buffer`.
    pub(crate) fn received(&mut self, buffer: &mut BytesMut, now: Instant) -> Result<(), Error> {
        self.keep_alive.heard(now);
        while let Some(packet) = decode(buffer, self.limits.packet_bytes).map_err(protocol)? {
            self.packet(packet)?;
        }
        Ok(())
    }

    /// A subscription's queue has room again, or is gone.
    pub(crate) fn room_in_queues(&mut self) {
        for taken in self.inbox.retry() {
            self.acknowledge(taken);
        }
        for filter in self.inbox.abandoned() {
            if let Some(id) = self.pending.insert(Pending::Unsubscribe) {
                let packet = Unsubscribe { pkid: id, ..Unsubscribe::new(filter.as_str(), None) };
                self.write(Packet::Unsubscribe(packet), "unsubscribe");
            }
        }
    }

    /// When [`Self::timer`] has to be called next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.keep_alive.deadline()
    }

    pub(crate) fn timer(&mut self, now: Instant) -> Result<(), Error> {
        match self.keep_alive.due(now) {
            Due::Nothing => Ok(()),
            Due::Ping => {
                self.write(Packet::PingReq(PingReq), "ping");
                Ok(())
            }
            Due::Dead(after) => Err(Error::KeepAlive { after }),
        }
    }

    /// What is ready to be written. The caller takes from its front what the socket took.
    pub(crate) fn out(&mut self) -> &mut BytesMut {
        &mut self.out
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// Some of the output went to the socket.
    pub(crate) fn written(&mut self, now: Instant) {
        self.keep_alive.sent(now);
    }

    /// How many QoS 1 messages the server has not acknowledged.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.pending.publishes()
    }

    /// What the server still has to answer, the oldest first, for the error of a lost connection.
    pub(crate) fn unanswered(&self) -> Option<String> {
        self.pending.oldest()
    }

    /// The last packet.
    pub(crate) fn goodbye(&mut self, outcome: &Result<(), Error>) {
        // By hand: rumqttc 0.25.1 writes a wrong length for a DISCONNECT with nothing but a reason.
        self.out.extend_from_slice(match outcome {
            Err(Error::Protocol { .. }) => &[0xE0, 1, 0x82],
            _ => &[0xE0, 0],
        });
    }

    fn publish(&mut self, topic: Topic, qos: QoS, payload: Bytes, answer: Answer<()>) {
        let mut packet = Publish {
            qos: wire_qos(qos),
            topic: Bytes::from(topic.into_string()),
            payload,
            // Stands for the id while the size is asked for: without one, two bytes would be missing.
            pkid: 1,
            ..Publish::default()
        };
        if let Err(error) = self.granted.check_packet(packet.size(), "message", &packet.topic) {
            reply(answer, Err(error));
            return;
        }
        match qos {
            QoS::AtMostOnce => {
                packet.pkid = 0;
                reply(answer, Ok(()));
            }
            QoS::AtLeastOnce => {
                let pending = PendingPublish { topic: packet.topic.clone(), answer };
                let Some(id) = self.pending.insert(Pending::Publish(pending)) else { return };
                packet.pkid = id;
            }
        }
        self.write(Packet::Publish(packet), "publish");
    }

    fn subscribe(&mut self, filter: Filter, qos: QoS, answer: Answer<Subscription>) {
        if let Err(error) = self.limits.check_subscriptions(self.inbox.subscriptions() + 1) {
            reply(answer, Err(error));
            return;
        }
        let (sender, queue) = mpsc::channel(QUEUE);
        let wire = WireFilter::new(filter.as_str(), wire_qos(qos));
        let pending = PendingSubscribe { filter: filter.clone(), queue, sender: sender.clone(), answer };
        let Some(id) = self.pending.insert(Pending::Subscribe(pending)) else { return };
        // From now on, not from SUBACK on: the server may send the first messages before it (MQTT 5, section 3.8.4).
        self.inbox.add(filter, sender);
        self.write(Packet::Subscribe(Subscribe { pkid: id, ..Subscribe::new(wire, None) }), "subscribe");
    }

    fn acknowledge(&mut self, Taken(id): Taken) {
        self.write(Packet::PubAck(PubAck::new(id, None)), "acknowledge");
    }

    /// What subscriptions ring when their queue has room again.
    pub(crate) fn room_notice(&self) -> &Arc<Notify> {
        self.inbox.room()
    }

    fn write(&mut self, packet: Packet, what: &'static str) {
        // Sizes were checked on the way in, and packet ids are never 0, so the codec has nothing to refuse.
        if let Err(error) = packet.write(&mut self.out, None) {
            debug!(what, %error, "a packet could not be encoded");
        }
    }
}

/// Whoever asked may have stopped waiting for the answer.
fn reply<T>(answer: Answer<T>, result: Result<T, Error>) {
    let _ = answer.send(result);
}

pub(crate) fn protocol(what: Malformed) -> Error {
    Error::Protocol { source: Cause::new(what) }
}

fn wire_qos(qos: QoS) -> WireQoS {
    match qos {
        QoS::AtMostOnce => WireQoS::AtMostOnce,
        QoS::AtLeastOnce => WireQoS::AtLeastOnce,
    }
}
