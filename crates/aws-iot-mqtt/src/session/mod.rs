//! The protocol as a state machine without I/O: commands, messages and packets in, bytes and answers out.
//!
//! It outlives connections: what was accepted and not answered is here until it is. Time is a parameter, so that no
//! test waits for a clock.

mod asked;
mod granted;
mod inbox;
mod incoming;
mod keep_alive;
mod output;
mod pace;
mod pending;
mod requests;
mod routes;
mod sending;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf as _, BytesMut};
use rumqttc::v5::mqttbytes::v5::{Packet, PingReq};
use tokio::sync::Notify;
use tracing::debug;

use self::asked::{Asked, Request, Unwanted};
pub(crate) use self::asked::{Command, Wanted};
pub(crate) use self::granted::{Granted, Hello};
use self::inbox::Inbox;
use self::keep_alive::{Due, KeepAlive};
pub(crate) use self::output::Output;
use self::pace::Pace;
use self::pending::PendingTable;
pub(crate) use self::sending::Left;
use crate::codec::{Malformed, decode};
use crate::event::Hub;
use crate::queue::{Answer, Entry};
use crate::statistics::Counters;
use crate::{Cause, DisconnectReason, Error, Event, Limits};

pub(crate) struct Session {
    limits: Arc<Limits>,
    client_id: String,
    /// What holds for the connection of now; `None` between two.
    link: Option<Link>,
    /// Messages that are to go next. The rest is in the outbox, where they may still be dropped.
    to_send: VecDeque<Entry>,
    /// How many messages were sent for the first time: gives them their order.
    sent_first: u64,
    /// The rates hold back what is in `to_send` until then.
    not_before: Option<Instant>,
    asked: Asked,
    pending: PendingTable,
    inbox: Inbox,
    /// How many SUBSCRIBEs for subscriptions of an earlier connection are unanswered.
    resubscribing: usize,
    /// A reconnect, of which it is not yet told that all is as before.
    resuming: bool,
    out: Output,
    left: Left,
    hub: Arc<Hub>,
    counters: Arc<Counters>,
}

struct Link {
    granted: Granted,
    keep_alive: KeepAlive,
    pace: Pace,
}

impl Session {
    pub(crate) fn new(
        limits: Arc<Limits>,
        client_id: String,
        hub: Arc<Hub>,
        counters: Arc<Counters>,
    ) -> Self {
        // What this client says in CONNECT that it takes.
        let most_waiting = u64::from(limits.in_flight) * u64::from(limits.packet_bytes);
        Self {
            limits,
            client_id,
            link: None,
            to_send: VecDeque::new(),
            sent_first: 0,
            not_before: None,
            asked: Asked::default(),
            pending: PendingTable::default(),
            inbox: Inbox::new(most_waiting, Arc::clone(&counters)),
            resubscribing: 0,
            resuming: false,
            out: Output::default(),
            left: Left::default(),
            hub,
            counters,
        }
    }

    /// The server has agreed to a connection. Everything that an earlier one left open goes out again.
    pub(crate) fn connected(&mut self, granted: Granted, now: Instant) {
        let session_present = granted.session_present;
        self.link = Some(Link {
            keep_alive: KeepAlive::new(granted.keep_alive, now),
            pace: Pace::new(&self.limits, now),
            granted,
        });
        self.counters.connects.add(1);
        self.resuming = self.counters.connects.get() > 1;
        self.hub.tell(Event::Connected { session_present });
        self.number_again(session_present);
        self.inbox.connected(session_present);
        self.resubscribe();
        self.send_requests();
        self.room_in_queues();
        self.send(now);
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&mut self) {
        self.link = None;
        self.not_before = None;
        self.resubscribing = 0;
        self.out.clear();
        self.take_back();
    }

    /// Takes all whole packets out of `buffer`.
    pub(crate) fn received(&mut self, buffer: &mut BytesMut, now: Instant) -> Result<(), Error> {
        if let Some(link) = &mut self.link {
            link.keep_alive.heard(now);
        }
        while let Some(packet) = decode(buffer, self.limits.packet_bytes).map_err(protocol)? {
            self.packet(packet)?;
        }
        Ok(())
    }

    /// A subscription's queue has room again, or is gone, or the application has acknowledged a message.
    pub(crate) fn room_in_queues(&mut self) {
        if self.link.is_none() {
            return;
        }
        for id in self.inbox.retry() {
            self.acknowledge(id);
        }
        for filter in self.inbox.abandoned() {
            self.asked.add(Request::Unsubscribe(Unwanted { filter, answer: None }));
        }
        self.send_requests();
    }

    /// When [`Self::timer`] has to be called next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let keep_alive = self.link.as_ref().and_then(|link| link.keep_alive.deadline());
        keep_alive.into_iter().chain(self.not_before).min()
    }

    pub(crate) fn timer(&mut self, now: Instant) -> Result<(), Error> {
        let Some(link) = &mut self.link else { return Ok(()) };
        match link.keep_alive.due(now) {
            Due::Nothing => Ok(()),
            Due::Ping => {
                self.write(Packet::PingReq(PingReq));
                Ok(())
            }
            Due::Dead(after) => Err(Error::KeepAlive { after }),
        }
    }

    /// What is ready to be written. The caller takes from its front what the socket took.
    pub(crate) fn out(&mut self) -> &mut Output {
        &mut self.out
    }

    pub(crate) fn has_output(&self) -> bool {
        self.out.has_remaining()
    }

    /// Some of the output went to the socket.
    pub(crate) fn written(&mut self, now: Instant) {
        if let Some(link) = &mut self.link {
            link.keep_alive.sent(now);
        }
    }

    /// What the server still has to answer, the oldest first, for the error of a lost connection.
    pub(crate) fn unanswered(&self) -> Option<String> {
        self.pending.oldest()
    }

    /// The last packet.
    pub(crate) fn goodbye(&mut self, outcome: &Result<(), Error>, reason: DisconnectReason) {
        // By hand: rumqttc 0.25.1 writes a wrong length for a DISCONNECT with nothing but a reason.
        self.out.raw(match (outcome, reason) {
            (Err(Error::Protocol { .. }), _) => &[0xE0, 1, 0x82],
            (_, DisconnectReason::Normal) => &[0xE0, 0],
            (_, DisconnectReason::WithWill) => &[0xE0, 1, 0x04],
        });
    }

    /// What subscriptions ring when their queue has room again.
    pub(crate) fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.inbox.given_ones().bell)
    }

    fn write(&mut self, packet: Packet) {
        // Sizes were checked on the way in, and packet ids are never 0, so the codec has nothing to refuse.
        if let Err(error) = self.out.packet(packet) {
            debug!(%error, "a packet could not be encoded");
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
