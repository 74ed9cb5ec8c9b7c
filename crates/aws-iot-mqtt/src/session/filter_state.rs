//! One topic filter: its streams, against what the server has.

use std::sync::Arc;

use rumqttc::v5::mqttbytes::v5::{Filter as WireFilter, RetainForwardRule};
use tracing::warn;

use crate::codec::wire_qos;
use crate::event::Hub;
use crate::message_queue::QueueWriter;
use crate::outbox::{Answer, reply};
use crate::subscription::RetainHandling;
use crate::{Error, Event, Filter, QoS, SubscribeOptions};

/// A stream that the application asks for, or has.
pub(crate) struct Subscriber {
    pub(super) options: SubscribeOptions,
    pub(super) queue: Arc<QueueWriter>,
    /// `None` where nobody waits for the server's answer: it was granted, or given to the builder.
    pub(super) answer: Option<Answer<QoS>>,
    /// A SUBSCRIBE that covers it was sent.
    pub(super) requested: bool,
}

pub(super) struct FilterState {
    pub(super) filter: Filter,
    pub(super) subscribers: Vec<Subscriber>,
    pub(super) unsubscribers: Vec<Answer<()>>,
    pub(super) server: Server,
    /// The server has not answered a request for it.
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
    pub(crate) fn new(
        options: SubscribeOptions,
        queue: Arc<QueueWriter>,
        answer: Option<Answer<QoS>>,
    ) -> Self {
        Self { options, queue, answer, requested: false }
    }

    pub(super) fn is_established(&self) -> bool {
        self.answer.is_none()
    }
}

impl FilterState {
    pub(super) fn is_wanted(&self) -> bool {
        self.subscribers.iter().any(|one| !one.queue.is_closed())
    }

    pub(super) fn is_due(&self, subscribe: bool) -> bool {
        if self.requested || self.is_wanted() != subscribe {
            return false;
        }
        if subscribe {
            // Also for a second stream of a filter that stands: it gets the retained messages.
            self.server != Server::Active || self.subscribers.iter().any(|one| !one.requested)
        } else {
            self.server != Server::Absent
        }
    }

    /// Whether somebody waits for an answer.
    pub(super) fn is_awaited(&self) -> bool {
        self.subscribers.iter().any(|one| !one.is_established() && !one.queue.is_closed())
            || self.unsubscribers.iter().any(|answer| !answer.is_closed())
    }

    /// One subscription serves all streams of the filter: it is as wide as the widest of them.
    pub(super) fn wire_filter(&self) -> WireFilter {
        let options = || self.subscribers.iter().map(|one| &one.options);
        let retain = |options: &SubscribeOptions| options.retain_handling;
        let new = self.subscribers.iter().filter(|one| !one.is_established()).map(|one| &one.options);
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

    pub(super) fn granted(&mut self, qos: QoS) {
        self.server = Server::Active;
        for one in self.subscribers.iter_mut().filter(|one| one.requested) {
            reply(one.answer.take(), Ok(qos));
        }
    }

    /// Refused, it is not asked again: nobody here wants to hear of it.
    pub(super) fn unsubscribed(&mut self, result: &Result<(), Error>) {
        (self.requested, self.server) = (false, Server::Absent);
        self.subscribers.iter_mut().for_each(|one| one.requested = false);
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
            reply(one.answer, Err(error.clone()));
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
