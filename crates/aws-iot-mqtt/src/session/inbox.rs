//! Where the server's messages go.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use tracing::{debug, warn};

use crate::codec::Malformed;
use crate::{Filter, Message, QoS};

/// The packet id of a message that its subscriptions have, and that may be acknowledged.
pub(super) struct Taken(pub(super) u16);

pub(super) struct Inbox {
    routes: Vec<Route>,
    /// QoS 1 messages whose subscription has no room: not acknowledged, so the server soon sends no more.
    /// First come, first served across all subscriptions, because MQTT wants acknowledgements in the order of arrival.
    waiting: VecDeque<(Message, u16)>,
    waiting_bytes: u64,
    /// In bytes and not in messages: mosquitto 2.0.11 sends a whole window more for each acknowledgement, once it has
    /// a backlog, and nothing is lost by holding as many small messages as the large ones that were agreed on.
    most_waiting_bytes: u64,
    dropped: u64,
    room: Arc<Notify>,
}

struct Route {
    filter: Filter,
    queue: mpsc::Sender<Message>,
}

impl Inbox {
    pub(super) fn new(most_waiting_bytes: u64) -> Self {
        Self {
            routes: Vec::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            most_waiting_bytes,
            dropped: 0,
            room: Arc::default(),
        }
    }

    pub(super) fn room(&self) -> &Arc<Notify> {
        &self.room
    }

    pub(super) fn subscriptions(&self) -> usize {
        self.routes.len()
    }

    pub(super) fn add(&mut self, filter: Filter, queue: mpsc::Sender<Message>) {
        self.routes.push(Route { filter, queue });
    }

    pub(super) fn remove(&mut self, queue: &mpsc::Sender<Message>) {
        self.routes.retain(|route| !route.queue.same_channel(queue));
    }

    /// Forgets the subscriptions that were dropped, and names the filters that nobody else has.
    pub(super) fn abandoned(&mut self) -> Vec<Filter> {
        let (gone, kept) =
            std::mem::take(&mut self.routes).into_iter().partition(|route| route.queue.is_closed());
        self.routes = kept;
        let gone: Vec<Route> = gone;
        let nobodys = |route: &Route| !self.routes.iter().any(|kept| kept.filter == route.filter);
        let mut filters: Vec<Filter> = gone.into_iter().filter(nobodys).map(|route| route.filter).collect();
        filters.sort();
        filters.dedup();
        filters
    }

    /// Gives the message to its subscriptions, or keeps it until they have room.
    pub(super) fn take(&mut self, message: Message, id: u16) -> Result<Option<Taken>, Malformed> {
        if message.qos == QoS::AtMostOnce {
            self.offer_or_drop(message);
            return Ok(None);
        }
        if self.waiting.is_empty() && self.has_room(&message) {
            self.deliver(message);
            return Ok(Some(Taken(id)));
        }
        self.waiting_bytes += bytes(&message);
        if self.waiting_bytes > self.most_waiting_bytes {
            return Err(Malformed::TooMuchInFlight(self.most_waiting_bytes));
        }
        self.waiting.push_back((message, id));
        Ok(None)
    }

    /// Gives out what waits, as far as there is room now.
    pub(super) fn retry(&mut self) -> Vec<Taken> {
        let mut taken = Vec::new();
        while self.waiting.front().is_some_and(|(message, _)| self.has_room(message)) {
            if let Some((message, id)) = self.waiting.pop_front() {
                self.waiting_bytes -= bytes(&message);
                self.deliver(message);
                taken.push(Taken(id));
            }
        }
        taken
    }

    /// All of them or none: this is the only sender, so room that is there stays there.
    fn has_room(&self, message: &Message) -> bool {
        self.routes_of(message).all(|route| route.queue.capacity() > 0)
    }

    fn deliver(&self, message: Message) {
        let mut routes = self.routes_of(&message);
        let Some(first) = routes.next() else {
            debug!(topic = %message.topic, "a message that no subscription wants");
            return;
        };
        let copies: Vec<(&Route, Message)> = routes.map(|route| (route, message.clone())).collect();
        for (route, message) in copies.into_iter().chain([(first, message)]) {
            // Fails only when the subscription is dropped at this very moment.
            let _ = route.queue.try_send(message);
        }
    }

    fn offer_or_drop(&mut self, message: Message) {
        let full =
            self.routes_of(&message).filter(|route| route.queue.try_send(message.clone()).is_err()).count();
        if full > 0 {
            self.dropped += 1;
            if self.dropped.is_power_of_two() {
                warn!(topic = %message.topic, dropped = self.dropped, "QoS 0 messages dropped: the program reads too slowly");
            }
        }
    }

    fn routes_of<'a>(&'a self, message: &Message) -> impl Iterator<Item = &'a Route> {
        self.routes
            .iter()
            .filter(|route| !route.queue.is_closed() && route.filter.matches(message.topic.as_str()))
    }
}

/// What a message takes in memory.
fn bytes(message: &Message) -> u64 {
    (size_of::<Message>() + message.topic.as_str().len() + message.payload.len()) as u64
}
