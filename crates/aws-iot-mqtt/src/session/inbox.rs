//! Where the server's messages go, and when they are acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;

use tracing::{debug, warn};

use super::routes::Routes;
use crate::acknowledgement::{Acknowledgement, Arrival, GivenOnes};
use crate::codec::Malformed;
use crate::statistics::Counters;
use crate::{Message, QoS};

pub(super) struct Inbox {
    pub(super) routes: Routes,
    /// QoS 1 messages that are not acknowledged, in the order in which they came, which is also the order in which MQTT
    /// wants the acknowledgements.
    arrived: VecDeque<Arrived>,
    /// The number of the first of them, counted from the first message ever.
    first: u64,
    /// How many of them, at the end, no subscription has had room for: the server soon sends no more.
    waiting: usize,
    waiting_bytes: u64,
    /// In bytes and not in messages: mosquitto 2.0.11 sends a whole window more for each acknowledgement, once it has
    /// a backlog, and nothing is lost by holding as many small messages as the large ones that were agreed on.
    most_waiting_bytes: u64,
    /// Counted up with each connection: acknowledgements for an earlier one come too late.
    connection: u64,
    given_ones: Arc<GivenOnes>,
    counters: Arc<Counters>,
}

struct Arrived {
    /// `None` where the message came over an earlier connection, and there is nobody to acknowledge it to.
    id: Option<u16>,
    state: State,
}

enum State {
    /// No subscription has it.
    Waiting(Message),
    /// So many subscriptions have it and have not acknowledged it.
    Open(usize),
}

impl Inbox {
    pub(super) fn new(most_waiting_bytes: u64, counters: Arc<Counters>) -> Self {
        Self {
            routes: Routes::default(),
            arrived: VecDeque::new(),
            first: 0,
            waiting: 0,
            waiting_bytes: 0,
            most_waiting_bytes,
            connection: 0,
            given_ones: Arc::default(),
            counters,
        }
    }

    pub(super) fn given_ones(&self) -> &Arc<GivenOnes> {
        &self.given_ones
    }

    /// A new connection. What came over the last one and was not acknowledged comes again where the server has kept the
    /// session; where it has not, what waits here is all that there is.
    pub(super) fn connected(&mut self, session_present: bool) {
        self.connection += 1;
        self.first += self.arrived.len() as u64;
        self.arrived.retain(|arrived| !session_present && matches!(arrived.state, State::Waiting(_)));
        self.arrived.iter_mut().for_each(|arrived| arrived.id = None);
        self.waiting = self.arrived.len();
        if session_present {
            self.waiting_bytes = 0;
        } else {
            self.routes.none_stands();
        }
    }

    /// Gives the message to its subscriptions, or keeps it until they have room. Returns the packet id if it may be
    /// acknowledged at once.
    pub(super) fn take(&mut self, message: Message, id: u16) -> Result<Option<u16>, Malformed> {
        if message.qos == QoS::AtMostOnce {
            self.offer_or_drop(message);
            return Ok(None);
        }
        if self.waiting == 0 && self.routes.have_room(&message) {
            let open = self.deliver(message, self.first + self.arrived.len() as u64);
            if open == 0 && self.arrived.is_empty() {
                self.first += 1;
                return Ok(Some(id));
            }
            self.arrived.push_back(Arrived { id: Some(id), state: State::Open(open) });
            return Ok(None);
        }
        self.waiting_bytes += bytes(&message);
        if self.waiting_bytes > self.most_waiting_bytes {
            return Err(Malformed::TooMuchInFlight(self.most_waiting_bytes));
        }
        self.waiting += 1;
        self.arrived.push_back(Arrived { id: Some(id), state: State::Waiting(message) });
        Ok(None)
    }

    /// Gives out what waits, as far as there is room now, and returns the packet ids that may be acknowledged.
    pub(super) fn retry(&mut self) -> Vec<u16> {
        for Arrival { connection, number } in self.given_ones.take() {
            let index = number.checked_sub(self.first).filter(|_| connection == self.connection);
            let arrived = index.and_then(|index| self.arrived.get_mut(usize::try_from(index).ok()?));
            if let Some(Arrived { state: State::Open(open), .. }) = arrived {
                *open = open.saturating_sub(1);
            }
        }
        self.give_out_waiting();
        let mut acknowledged = Vec::new();
        while let Some(Arrived { state: State::Open(0), id }) = self.arrived.front() {
            acknowledged.extend(*id);
            self.arrived.pop_front();
            self.first += 1;
        }
        acknowledged
    }

    fn give_out_waiting(&mut self) {
        while self.waiting > 0 {
            let index = self.arrived.len() - self.waiting;
            let Some(arrived) = self.arrived.get_mut(index) else { return };
            match &arrived.state {
                State::Waiting(message) if self.routes.have_room(message) => {}
                _ => return,
            }
            if let State::Waiting(message) = std::mem::replace(&mut arrived.state, State::Open(0)) {
                self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes(&message));
                let open = self.deliver(message, self.first + index as u64);
                if let Some(arrived) = self.arrived.get_mut(index) {
                    arrived.state = State::Open(open);
                }
            }
            self.waiting -= 1;
        }
    }

    /// Returns how many subscriptions acknowledge it themselves.
    fn deliver(&self, message: Message, number: u64) -> usize {
        let mut routes: Vec<_> = self.routes.of(&message).collect();
        let Some(last) = routes.pop() else {
            self.counters.unwanted.add(1);
            debug!(topic = %message.topic, "a message that no subscription wants");
            return 0;
        };
        let arrival = Arrival { connection: self.connection, number };
        let mut open = 0;
        let copies = routes.into_iter().map(|route| (route, message.clone())).collect::<Vec<_>>();
        for (route, mut message) in copies.into_iter().chain([(last, message)]) {
            if route.manual {
                message.acknowledgement = Some(Acknowledgement::new(arrival, Arc::clone(&self.given_ones)));
            }
            // Fails only when the subscription is dropped at this very moment.
            let delivered = route.queue.try_send(message).is_ok();
            open += usize::from(route.manual && delivered);
        }
        open
    }

    fn offer_or_drop(&mut self, message: Message) {
        let routes = self.routes.of(&message);
        let full = routes.filter(|route| route.queue.try_send(message.clone()).is_err()).count();
        if full > 0 {
            self.counters.received_dropped.add(full);
            let dropped = self.counters.received_dropped.get();
            if dropped.is_power_of_two() {
                warn!(topic = %message.topic, dropped, "QoS 0 messages dropped: the program reads too slowly");
            }
        }
    }
}

/// What a message takes in memory.
fn bytes(message: &Message) -> u64 {
    let properties = message.properties.as_ref().map_or(0, |properties| properties.bytes());
    (size_of::<Message>() + message.topic.as_str().len() + message.payload.len() + properties) as u64
}
