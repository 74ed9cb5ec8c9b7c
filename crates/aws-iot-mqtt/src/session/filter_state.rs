//! One topic filter: its streams, against what the server has.

use rumqttc::v5::mqttbytes::v5::{Filter as WireFilter, RetainForwardRule};
use tracing::warn;

use super::subscriptions::SubscribeRequest;
use crate::codec::wire_qos;
use crate::event::Hub;
use crate::outbox::Answer;
use crate::subscription::RetainHandling;
use crate::{Error, Event, Filter, QoS, SubscribeOptions};

pub(super) struct FilterState {
    pub(super) filter: Filter,
    pub(super) subscribers: Vec<Subscriber>,
    pub(super) unsubscribers: Vec<Answer<()>>,
    pub(super) server: Server,
    /// The packet id of the request for it that the server has not answered.
    pub(super) requested: Option<u16>,
}

pub(super) struct Subscriber {
    pub(super) request: SubscribeRequest,
    /// A SUBSCRIBE that covers it was sent.
    pub(super) requested: bool,
}

/// What the server has of a filter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Absent,
    Active,
    /// A request was not answered.
    Unknown,
}

impl Subscriber {
    /// Nobody waits for the server's answer: it was granted, or given to the builder.
    pub(super) fn is_established(&self) -> bool {
        self.request.answer.is_none()
    }

    pub(super) fn end(self, result: Result<QoS, Error>) {
        self.request.queue.end_subscription();
        reply(self.request.answer, result);
    }
}

impl FilterState {
    pub(super) fn is_wanted(&self) -> bool {
        self.subscribers.iter().any(|subscriber| !subscriber.request.queue.is_closed())
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
        let options = || self.subscribers.iter().map(|subscriber| &subscriber.request.options);
        let retain = |options: &SubscribeOptions| options.retain_handling;
        let new = self.subscribers.iter().filter(|one| !one.is_established()).map(|one| &one.request.options);
        // Made again after a reconnect, a subscription does not bring the retained messages once more unless the server
        // has lost it.
        let retain = new.map(retain).min().or_else(|| options().map(retain).min());
        WireFilter {
            path: self.filter.to_string(),
            qos: wire_qos(options().map(|options| options.qos).max().unwrap_or(QoS::AtMostOnce)),
            nolocal: options().all(|options| options.no_local),
            preserve_retain: options().any(|options| options.retain_as_published),
            retain_forward_rule: match retain.unwrap_or(RetainHandling::Send) {
                RetainHandling::Send => RetainForwardRule::OnEverySubscribe,
                RetainHandling::SendIfNew => RetainForwardRule::OnNewSubscribe,
                RetainHandling::DoNotSend => RetainForwardRule::Never,
            },
        }
    }

    /// Whether somebody waits for an answer.
    pub(super) fn is_awaited(&self) -> bool {
        self.subscribers.iter().any(|one| !one.is_established() && !one.request.queue.is_closed())
            || self.unsubscribers.iter().any(|answer| !answer.is_closed())
    }

    pub(super) fn granted(&mut self, qos: QoS) {
        self.server = Server::Active;
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.requested) {
            reply(subscriber.request.answer.take(), Ok(qos));
        }
    }

    /// Refused, it is not asked again: nobody here wants to hear of it.
    pub(super) fn unsubscribed(&mut self, result: &Result<(), Error>) {
        (self.requested, self.server) = (None, Server::Absent);
        self.subscribers.iter_mut().for_each(|subscriber| subscriber.requested = false);
        self.unsubscribers.drain(..).for_each(|answer| reply(Some(answer), result.clone()));
    }

    /// Whoever waits for the subscription gets the error. Streams that stood before end, unless only a further one was
    /// refused.
    pub(super) fn refused(&mut self, error: &Error, hub: &Hub) {
        let stands =
            self.server == Server::Active && self.subscribers.iter().any(|one| !one.is_established());
        let mut is_lost = false;
        for one in self.subscribers.extract_if(.., |one| one.requested && !(stands && one.is_established())) {
            is_lost |= one.is_established();
            one.end(Err(error.clone()));
        }
        if !stands {
            self.server = Server::Absent;
        }
        if is_lost {
            warn!(error = %error.report(), "a subscription is lost");
            hub.tell(Event::SubscriptionLost { filter: self.filter.to_string(), error: error.clone() });
        }
    }
}

/// Whoever asked may have stopped waiting.
pub(super) fn reply<T>(answer: Option<Answer<T>>, result: Result<T, Error>) {
    if let Some(answer) = answer {
        let _ = answer.send(result);
    }
}
