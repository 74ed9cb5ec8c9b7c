//! What the application asks of the session beside publishing, and the line in which it waits.

use std::collections::{BTreeSet, VecDeque};

use tokio::sync::mpsc;

use crate::queue::Answer;
use crate::{Error, Filter, Message, QoS, Subscription};

/// What the application asks of the session, beside publishing.
pub(crate) enum Command {
    Subscribe(Vec<Wanted>),
    Unsubscribe(Filter, Answer<()>),
}

/// A subscription that the application waits for.
pub(crate) struct Wanted {
    pub(crate) filter: Filter,
    pub(crate) qos: QoS,
    pub(crate) manual: bool,
    pub(crate) answer: Answer<Subscription>,
    /// The two ends of its queue, from the first packet on.
    pub(super) queue: Option<(mpsc::Sender<Message>, mpsc::Receiver<Message>)>,
}

impl Wanted {
    pub(crate) fn new(filter: Filter, qos: QoS, manual: bool, answer: Answer<Subscription>) -> Self {
        Self { filter, qos, manual, answer, queue: None }
    }
}

/// A filter that nobody wants any more.
pub(super) struct Unwanted {
    pub(super) filter: Filter,
    /// `None` where the subscription was just dropped.
    pub(super) answer: Option<Answer<()>>,
}

/// One thing that the application asked for.
pub(super) enum Request {
    Subscribe(Wanted),
    Unsubscribe(Unwanted),
}

/// What the server is still to be told. One line for both: who subscribes and then unsubscribes, or the other way
/// round, has to find the last word kept, also where both wait for a connection.
#[derive(Default)]
pub(super) struct Asked(VecDeque<Request>);

impl Asked {
    pub(super) fn add(&mut self, request: Request) {
        self.0.push_back(request);
    }

    /// What an earlier connection left unanswered, the oldest first: before everything that was asked for since.
    pub(super) fn put_back(&mut self, earlier: Vec<Request>) {
        earlier.into_iter().rev().for_each(|request| self.0.push_front(request));
    }

    pub(super) fn next(&self) -> Option<&Request> {
        self.0.front()
    }

    /// The subscriptions that come next, for one packet.
    pub(super) fn subscribes(&mut self, most: usize) -> Vec<Wanted> {
        let mut next = || match self.0.pop_front_if(|next| matches!(next, Request::Subscribe(_)))? {
            Request::Subscribe(wanted) => Some(wanted),
            Request::Unsubscribe(_) => None,
        };
        (0..most).map_while(|_| next()).collect()
    }

    /// The filters to unsubscribe that come next, for one packet.
    pub(super) fn unsubscribes(&mut self, most: usize) -> Vec<Unwanted> {
        let mut next = || match self.0.pop_front_if(|next| matches!(next, Request::Unsubscribe(_)))? {
            Request::Unsubscribe(unwanted) => Some(unwanted),
            Request::Subscribe(_) => None,
        };
        (0..most).map_while(|_| next()).collect()
    }

    /// How many subscriptions will stand when all of it is done: not those that are ended again further back in the line.
    pub(super) fn wanted(&self) -> usize {
        let (mut ended, mut wanted) = (BTreeSet::new(), 0);
        for request in self.0.iter().rev() {
            match request {
                Request::Subscribe(one) => wanted += usize::from(!ended.contains(&one.filter)),
                Request::Unsubscribe(one) => drop(ended.insert(&one.filter)),
            }
        }
        wanted
    }

    /// Nothing of it will be asked any more: tells everybody who waits.
    pub(super) fn give_up(&mut self, why: &Error) {
        for request in self.0.drain(..) {
            match request {
                Request::Subscribe(wanted) => super::reply(wanted.answer, Err(why.clone())),
                Request::Unsubscribe(Unwanted { answer: Some(answer), .. }) => {
                    super::reply(answer, Err(why.clone()));
                }
                Request::Unsubscribe(Unwanted { answer: None, .. }) => {}
            }
        }
    }
}
