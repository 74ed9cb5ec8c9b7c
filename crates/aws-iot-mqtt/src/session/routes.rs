//! Which subscriptions a message goes to.

use tokio::sync::mpsc;

use super::inbox::Inbox;
use crate::{Filter, Message, QoS};

/// The subscriptions of the application, which outlive connections.
#[derive(Default)]
pub(super) struct Routes(Vec<Route>);

pub(super) struct Route {
    filter: Filter,
    qos: QoS,
    /// The application acknowledges by itself.
    pub(super) manual: bool,
    /// The server has it, as far as is known.
    stands: bool,
    pub(super) queue: mpsc::Sender<Message>,
}

impl Routes {
    pub(super) fn of<'a>(&'a self, message: &Message) -> impl Iterator<Item = &'a Route> {
        let topic = message.topic.as_str();
        self.0.iter().filter(move |route| !route.queue.is_closed() && route.filter.matches(topic))
    }

    /// All of them or none: the session is the only sender, so room that is there stays there.
    pub(super) fn have_room(&self, message: &Message) -> bool {
        self.of(message).all(|route| route.queue.capacity() > 0)
    }

    /// The server has forgotten all of them.
    pub(super) fn none_stands(&mut self) {
        self.0.iter_mut().for_each(|route| route.stands = false);
    }
}

impl Inbox {
    pub(super) fn subscriptions(&self) -> usize {
        self.routes.0.len()
    }

    pub(super) fn add(&mut self, filter: Filter, qos: QoS, manual: bool, queue: mpsc::Sender<Message>) {
        // On its way already, so it is not to be made again beside.
        self.routes.0.push(Route { filter, qos, manual, stands: true, queue });
    }

    pub(super) fn remove(&mut self, queue: &mpsc::Sender<Message>) {
        self.routes.0.retain(|route| !route.queue.same_channel(queue));
    }

    pub(super) fn has(&self, filter: &Filter) -> bool {
        self.routes.0.iter().any(|route| route.filter == *filter && !route.queue.is_closed())
    }

    /// Ends the subscriptions of that filter.
    pub(super) fn remove_filter(&mut self, filter: &Filter) {
        self.routes.0.retain(|route| route.filter != *filter);
    }

    pub(super) fn confirm(&mut self, filter: &Filter) {
        self.routes
            .0
            .iter_mut()
            .filter(|route| route.filter == *filter)
            .for_each(|route| route.stands = true);
    }

    /// The filters that the server does not have, each with the highest QoS that is wanted.
    pub(super) fn unconfirmed(&self) -> Vec<(Filter, QoS)> {
        let missing = self.routes.0.iter().filter(|route| !route.stands && !route.queue.is_closed());
        let mut filters: Vec<(Filter, QoS)> =
            missing.map(|route| (route.filter.clone(), route.qos)).collect();
        filters.sort_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(&one.1)));
        filters.dedup_by(|later, first| later.0 == first.0);
        filters
    }

    /// Forgets the subscriptions that were dropped, and names the filters that nobody else has.
    pub(super) fn abandoned(&mut self) -> Vec<Filter> {
        let all = std::mem::take(&mut self.routes.0);
        let (gone, kept): (Vec<Route>, Vec<Route>) =
            all.into_iter().partition(|route| route.queue.is_closed());
        self.routes.0 = kept;
        let nobodys = |route: &Route| !self.routes.0.iter().any(|kept| kept.filter == route.filter);
        let mut filters: Vec<Filter> = gone.into_iter().filter(nobodys).map(|route| route.filter).collect();
        filters.sort();
        filters.dedup();
        filters
    }
}
