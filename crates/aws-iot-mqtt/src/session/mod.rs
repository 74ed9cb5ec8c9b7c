//! The protocol as a state machine without I/O: commands, messages and packets in, bytes and answers out.
//!
//! It outlives connections. Time is a parameter, so that no test waits for a clock. It holds packet ids and keys of the
//! messages it sends; the messages themselves are the outbox's.

mod blame;
mod connect;
mod filter_state;
mod inbox;
mod keep_alive;
mod pace;
mod publishing;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::v5::Packet;

use self::blame::{Blame, Item};
pub(crate) use self::connect::{ConnectOptions, Negotiated};
pub(crate) use self::filter_state::Subscriber;
use self::inbox::Inbox;
use self::keep_alive::{Due, KeepAlive};
use self::pace::Pace;
use self::publishing::{PacketIds, Use};
use self::subscriptions::Subscriptions;
use crate::clock::{Moment, after};
use crate::codec::{Output, ProtocolError, Received, decode};
use crate::connection::Shared;
use crate::message_queue::QueueWriter;
use crate::outbox::{Answer, Key, reply};
use crate::{DisconnectReason, Error, Event, Filter};

/// What the application asks of the session, beside publishing.
pub(crate) enum Command {
    Subscribe(Vec<Subscriber>),
    Unsubscribe(Filter, Answer<()>),
    /// To be answered after so much time.
    Timer(Duration, Answer<()>),
}

/// Dropped, it ends all streams. Whoever still waits for an answer gets none, and asks why the client has ended.
pub(crate) struct Session {
    pub(crate) shared: Arc<Shared>,
    client_id: String,
    operation_timeout: Duration,
    /// What holds for the current connection.
    connection: Option<Connection>,
    ids: PacketIds,
    /// Messages that are done with, to be told to the outbox together.
    completed: Vec<Key>,
    subscriptions: Subscriptions,
    inbox: Inbox,
    unrouted: Arc<QueueWriter>,
    blame: Blame,
    output: Output<Written>,
    /// The server has answered a PUBLISH, SUBSCRIBE or UNSUBSCRIBE on this connection.
    answered: bool,
    /// Calls with a time limit of their own.
    timers: Vec<(Instant, Answer<()>)>,
    /// Set after a reconnect until `Event::Resumed` has been sent.
    resuming: bool,
}

struct Connection {
    negotiated: Negotiated,
    keep_alive: KeepAlive,
    pace: Pace,
    /// The rates hold back all messages until then.
    not_before: Option<Instant>,
}

/// What a packet in the output is, for when its last byte is written.
pub(crate) enum Written {
    /// A message of QoS 0, which is done with.
    Qos0(Key),
    /// A message of QoS 1, by its packet id.
    Publish {
        id: u16,
        /// It was written before.
        again: bool,
    },
    /// A SUBSCRIBE or UNSUBSCRIBE, by its packet id.
    Request(u16),
    Ping,
    Other,
}

impl Session {
    /// `unrouted` is the stream of messages that belong to no subscription.
    pub(crate) fn new(
        shared: Arc<Shared>,
        client_id: String,
        operation_timeout: Duration,
        unrouted: Arc<QueueWriter>,
    ) -> Self {
        Self {
            shared,
            client_id,
            operation_timeout,
            connection: None,
            ids: PacketIds::default(),
            completed: Vec::new(),
            subscriptions: Subscriptions::default(),
            inbox: Inbox::default(),
            unrouted,
            blame: Blame::default(),
            output: Output::new(),
            answered: false,
            timers: Vec::new(),
            resuming: false,
        }
    }

    /// When [`Self::timer`] has to be called next.
    pub(crate) fn deadline(&self, now: Moment) -> Option<Instant> {
        let unanswered = self.oldest_item().map(|(written, _)| written);
        let connection = self.connection.as_ref();
        let keep_alive = connection.and_then(|one| one.keep_alive.deadline(unanswered));
        let not_before = connection.and_then(|one| one.not_before);
        let publish = self.ids.oldest_publish().map(|(_, written)| after(written, self.operation_timeout));
        let subscriptions = self.subscriptions.deadline(self.operation_timeout);
        let outbox = self.shared.outbox.deadline(now);
        let timer = self.timers.iter().map(|(due, _)| *due).min();
        [keep_alive, publish, subscriptions, outbox, timer, not_before].into_iter().flatten().min()
    }

    /// Does what the time asks for.
    pub(crate) fn timer(&mut self, now: Moment) -> Result<(), Error> {
        let patience = self.operation_timeout;
        self.shared.outbox.expire(now.wall);
        for (_, answer) in self.timers.extract_if(.., |(due, _)| *due <= now.instant) {
            reply(Some(answer), Ok(()));
        }
        self.time_requests(now.instant);
        self.resumed_if_all_stand();
        self.reconcile();
        let unanswered = self.oldest_item().map(|(written, _)| written);
        let Some(connection) = &mut self.connection else { return Ok(()) };
        match connection.keep_alive.due(unanswered, now.instant) {
            Due::Nothing => {}
            Due::Ping => self.output.ping_first(Written::Ping),
            Due::Dead(after) => return Err(Error::KeepAlive { after }),
        }
        match self.ids.oldest_publish() {
            Some((key, written)) if now.instant >= after(written, patience) => {
                Err(Error::OperationTimeout { what: self.in_words(&Item::Publish(key)), after: patience })
            }
            _ => Ok(()),
        }
    }

    /// The server has accepted a connection. Everything that an earlier one left open goes out again.
    pub(crate) fn connected(&mut self, negotiated: Negotiated, now: Moment) {
        let session_present = negotiated.session_present;
        self.connection = Some(Connection {
            keep_alive: KeepAlive::new(negotiated.keep_alive, now.instant),
            pace: Pace::new(&self.shared.limits, now.instant),
            not_before: None,
            negotiated,
        });
        let mut counters = self.shared.counters.lock();
        let first = counters.connects == 0;
        counters.connects += 1;
        counters.reconnects = counters.connects - 1;
        drop(counters);
        self.resuming = !first;
        self.answered = false;
        if session_present {
            // The server sends these again.
            self.subscriptions.queues().for_each(|queue| queue.remove_unacknowledged());
            self.unrouted.remove_unacknowledged();
        }
        self.inbox.connected();
        for id in self.shared.outbox.online(session_present) {
            self.ids.set(id, Use::Reserved);
        }
        // Only now: whoever hears of it can publish.
        self.shared.hub.tell(Event::Connected { session_present });
        self.subscriptions.connected(session_present, first);
        self.reconcile();
        self.resumed_if_all_stand();
        self.send(now);
    }

    /// The connection has ended with `error`.
    pub(crate) fn disconnected(&mut self, error: &Error, now: Moment) {
        let oldest = self.oldest_item().map(|(_, item)| item);
        let (sent, unsent) = self.ids.clear();
        let qos0 = self.output.clear().filter_map(|written| match written {
            Written::Qos0(key) => Some(key),
            _ => None,
        });
        self.shared.outbox.requeue(sent, unsent.into_iter().chain(qos0));
        self.subscriptions.disconnected();
        self.connection = None;
        self.shared.counters.lock().in_flight = 0;
        self.blame_oldest(oldest, error, now.instant);
    }

    pub(crate) fn command(&mut self, command: Command, now: Moment) {
        match command {
            Command::Subscribe(subscribers) => {
                for subscriber in subscribers {
                    let count = self.subscriptions.count_with(&subscriber.options.filter);
                    match self.shared.limits.check_subscriptions(count) {
                        Ok(()) => self.subscriptions.subscribe(subscriber),
                        Err(error) => reply(subscriber.answer, Err(error)),
                    }
                }
            }
            Command::Unsubscribe(filter, answer) => self.subscriptions.unsubscribe(filter, answer),
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
        while let Some(received) = decode(buffer, self.shared.limits.maximum_packet_size)? {
            self.packet(received, now)?;
        }
        Ok(())
    }

    fn packet(&mut self, mut received: Received, now: Moment) -> Result<(), Error> {
        let (reason, text) = (received.reason(), received.text());
        match received.packet {
            Packet::Publish(publish) => self.publish(publish)?,
            Packet::PubAck(ack) => self.published(ack.pkid, reason, text, now.instant),
            Packet::SubAck(ack) => self.answered(ack.pkid, true, &received.reasons, text)?,
            Packet::UnsubAck(ack) => self.answered(ack.pkid, false, &received.reasons, None)?,
            // Any bytes are a sign of life, so there is nothing left to do.
            Packet::PingResp(_) => {}
            Packet::Disconnect(_) => {
                return Err(Error::Disconnected { client_id: self.client_id.clone(), reason, text });
            }
            Packet::ConnAck(_) => return Err(ProtocolError::new(0x82, "a second CONNACK").into()),
            // The codec lets no other packet through.
            _ => return Err(ProtocolError::new(0x82, "a packet that only a client sends").into()),
        }
        Ok(())
    }

    /// The application has acknowledged or read a message, or dropped a subscription.
    pub(crate) fn woken(&mut self) {
        self.acknowledge();
        self.reconcile();
    }

    /// What is ready to be written.
    pub(crate) fn output(&self) -> &[u8] {
        self.output.bytes()
    }

    /// Whether everything that was accepted is done with, acknowledgements of received messages included. The end of a
    /// subscription that was dropped is sent, and not waited for.
    pub(crate) fn is_drained(&self) -> bool {
        self.shared.outbox.depth().0 == 0 && self.output.is_empty() && !self.subscriptions.is_awaited()
    }

    /// Whether the server has answered a request on this connection.
    pub(crate) fn was_answered(&self) -> bool {
        self.answered
    }

    /// The last packet.
    pub(crate) fn disconnect(&mut self, outcome: &Result<(), Error>, reason: DisconnectReason) {
        // Codes of MQTT 5, section 3.14.2.1.
        let code = match (outcome, reason) {
            (Err(error @ Error::Protocol { .. }), _) => {
                ProtocolError::of(error).map_or(0x82, |one| one.reason)
            }
            (Err(Error::KeepAlive { .. }), _) => 0x8D,
            // The server still has work to do for this client: the will is meant for that.
            (Err(Error::OperationTimeout { .. }), _) => 0x80,
            (_, DisconnectReason::Normal) => 0x00,
            (_, DisconnectReason::WithWill) => 0x04,
        };
        self.output.disconnect(code, Written::Other);
    }
}
