//! One topic filter: its streams, against what the server has.

use std::time::Instant;

use rumqttc::v5::mqttbytes::v5::{Filter as WireFilter, RetainForwardRule};

use super::subscriptions::Outcome;
use crate::codec::wire_qos;
use crate::message_queue::QueueWriter;
use crate::outbox::Answer;
use crate::subscription::RetainHandling;
use crate::{Error, Filter, QoS, SubscribeOptions};

/// All that concerns one filter.
pub(super) struct FilterState {
    pub(super) filter: Filter,
    pub(super) subscribers: Vec<Subscriber>,
    pub(super) unsubscribers: Vec<(Answer<()>, Instant)>,
    pub(super) server: Server,
    /// The packet id of the request for it that the server has not answered.
    pub(super) requested: Option<u16>,
}

pub(super) struct Subscriber {
    pub(super) options: SubscribeOptions,
    pub(super) queue: QueueWriter,
    pub(super) answer: Option<Answer<QoS>>,
    pub(super) since: Instant,
    /// A SUBSCRIBE that covers it was sent.
    pub(super) requested: bool,
    /// It stood before, so that its stream is in use.
    pub(super) established: bool,
    /// It was given to the builder, and no connection was accepted since.
    pub(super) initial: bool,
}

/// What the server has of a filter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Absent,
    Active,
    /// A request was not answered.
    Unknown,
}

impl FilterState {
    pub(super) fn is_wanted(&self) -> bool {
        self.subscribers.iter().any(|subscriber| !subscriber.queue.is_closed())
    }

    pub(super) fn is_due(&self, subscribe: bool) -> bool {
        if self.requested.is_some() || self.is_wanted() != subscribe {
            return false;
        }
        if subscribe {
            // Also for a second stream of a filter that stands: it gets the retained messages.
            self.server != Server::Active || self.subscribers.iter().any(|subscriber| !subscriber.requested)
        } else {
            self.server != Server::Absent
        }
    }

    /// One subscription serves all streams of the filter: it is as wide as the widest of them.
    pub(super) fn wire_filter(&self) -> WireFilter {
        let options = || self.subscribers.iter().map(|subscriber| &subscriber.options);
        let new = self.subscribers.iter().filter(|subscriber| !subscriber.established);
        let retain = new.map(|subscriber| subscriber.options.retain_handling).min();
        WireFilter {
            path: self.filter.to_string(),
            qos: wire_qos(options().map(|options| options.qos).max().unwrap_or(QoS::AtMostOnce)),
            nolocal: options().all(|options| options.no_local),
            preserve_retain: options().any(|options| options.retain_as_published),
            // Made again after a reconnect, a subscription does not bring the retained messages once more unless the
            // server has lost it.
            retain_forward_rule: match retain.unwrap_or(self.retain_handling()) {
                RetainHandling::Send => RetainForwardRule::OnEverySubscribe,
                RetainHandling::SendIfNew => RetainForwardRule::OnNewSubscribe,
                RetainHandling::DoNotSend => RetainForwardRule::Never,
            },
        }
    }

    fn retain_handling(&self) -> RetainHandling {
        let all = self.subscribers.iter().map(|subscriber| subscriber.options.retain_handling);
        all.min().unwrap_or(RetainHandling::Send)
    }

    /// Since when callers wait for their answers.
    pub(super) fn waiting_since(&self) -> impl Iterator<Item = Instant> {
        let subscribers = self.subscribers.iter().filter(|subscriber| subscriber.answer.is_some());
        let since = subscribers.map(|subscriber| subscriber.since);
        since.chain(self.unsubscribers.iter().map(|(_, since)| *since))
    }

    /// The callers that have waited since a moment that is `old` get an error: `true` for those who subscribe.
    pub(super) fn fail_older(&mut self, old: impl Fn(Instant) -> bool, error: impl Fn(bool) -> Error) {
        for subscriber in self.subscribers.extract_if(.., |one| one.answer.is_some() && old(one.since)) {
            subscriber.queue.end_subscription();
            if let Some(answer) = subscriber.answer {
                let _ = answer.send(Err(error(true)));
            }
        }
        for (answer, _) in self.unsubscribers.extract_if(.., |(_, since)| old(*since)) {
            let _ = answer.send(Err(error(false)));
        }
    }

    pub(super) fn granted(&mut self, qos: QoS) {
        self.server = Server::Active;
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.requested) {
            subscriber.established = true;
            if let Some(answer) = subscriber.answer.take() {
                let _ = answer.send(Ok(qos));
            }
        }
    }

    /// Refused, it is not asked again: nobody here wants to hear of it.
    pub(super) fn unsubscribed(&mut self, result: Result<(), Error>) {
        (self.requested, self.server) = (None, Server::Absent);
        self.subscribers.iter_mut().for_each(|subscriber| subscriber.requested = false);
        for (answer, _) in self.unsubscribers.drain(..) {
            let _ = answer.send(result.clone());
        }
    }

    /// Whoever waits for the subscription gets the error. Streams that stood before end, unless only a further one was
    /// refused.
    pub(super) fn refused(&mut self, error: &Error) -> Option<Outcome> {
        let stands = self.server == Server::Active
            && self.subscribers.iter().any(|subscriber| subscriber.answer.is_some());
        let mut lost = None;
        for subscriber in self.subscribers.extract_if(.., |one| one.requested && !(stands && one.established))
        {
            subscriber.queue.end_subscription();
            match subscriber.answer {
                Some(answer) => drop(answer.send(Err(error.clone()))),
                None => lost = Some(Outcome::Lost(self.filter.clone(), error.clone())),
            }
        }
        if !stands {
            self.server = Server::Absent;
        }
        lost
    }
}
