//! Subscriptions: asked for, made again, ended.

use std::sync::Arc;

use rumqttc::v5::mqttbytes::v5::{
    Filter as WireFilter, Packet, SubAck, Subscribe, SubscribeReasonCode, UnsubAck, UnsubAckReason,
    Unsubscribe as UnsubscribePacket,
};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::asked::{Command, Request, Unwanted, Wanted};
use super::pending::Pending;
use super::{Session, reply};
use crate::reason::Reason;
use crate::{Error, Event, Filter, QoS, ReasonCode, Subscription};

/// How many messages wait for a slow reader, for each subscription: some dozen are a burst, more is a backlog.
pub(super) const QUEUE: usize = 64;

/// A subscription that stood before, and that a new session of the server does not know.
pub(super) struct Resubscribe {
    pub(super) filter: Filter,
    pub(super) qos: QoS,
}

impl Session {
    pub(crate) fn command(&mut self, command: Command) {
        match command {
            Command::Subscribe(wanted) => self.want(wanted),
            Command::Unsubscribe(filter, answer) => {
                // Its messages end here and now, whenever the server hears of it.
                self.inbox.remove_filter(&filter);
                self.asked.add(Request::Unsubscribe(Unwanted { filter, answer: Some(answer) }));
            }
        }
        self.send_requests();
    }

    fn want(&mut self, wanted: Vec<Wanted>) {
        for one in wanted {
            let count = self.inbox.subscriptions() + self.asked.wanted() + 1;
            match self.limits.check_subscriptions(count) {
                Ok(()) => self.asked.add(Request::Subscribe(one)),
                Err(error) => reply(one.answer, Err(error)),
            }
        }
    }

    /// Sends what is asked for, if there is a connection; otherwise it waits for one.
    pub(super) fn send_requests(&mut self) {
        if self.link.is_none() {
            return;
        }
        while let Some(next) = self.asked.next() {
            let Some(id) = self.pending.free_id() else { return };
            match next {
                Request::Subscribe(_) => self.send_subscribe(id),
                Request::Unsubscribe(_) => self.send_unsubscribe(id),
            }
        }
    }

    fn send_subscribe(&mut self, id: u16) {
        let mut wanted = self.asked.subscribes(self.limits.filters_per_subscribe.max(1));
        for one in &mut wanted {
            // From now on, not from SUBACK on: the server may send the first messages before it (MQTT 5,
            // section 3.8.4).
            let (sender, receiver) = one.queue.take().unwrap_or_else(|| mpsc::channel(QUEUE));
            self.inbox.add(one.filter.clone(), one.qos, one.manual, sender.clone());
            one.queue = Some((sender, receiver));
        }
        self.subscribe_packet(id, wanted.iter().map(|one| (&one.filter, one.qos)));
        self.pending.insert(id, Pending::Subscribe(wanted));
    }

    fn send_unsubscribe(&mut self, id: u16) {
        let unwanted = self.asked.unsubscribes(self.limits.filters_per_subscribe.max(1));
        // Also what was subscribed in between, and waited in front of it.
        unwanted.iter().for_each(|one| self.inbox.remove_filter(&one.filter));
        let filters = unwanted.iter().map(|one| one.filter.to_string()).collect();
        self.write(Packet::Unsubscribe(UnsubscribePacket { pkid: id, filters, properties: None }));
        self.pending.insert(id, Pending::Unsubscribe(unwanted));
    }

    /// Makes the subscriptions again that the server does not have.
    pub(super) fn resubscribe(&mut self) {
        let mut missing = self.inbox.unconfirmed();
        while !missing.is_empty() {
            let Some(id) = self.pending.free_id() else { return };
            let most = self.limits.filters_per_subscribe.max(1).min(missing.len());
            let again: Vec<Resubscribe> =
                missing.drain(..most).map(|(filter, qos)| Resubscribe { filter, qos }).collect();
            self.subscribe_packet(id, again.iter().map(|one| (&one.filter, one.qos)));
            self.pending.insert(id, Pending::Resubscribe(again));
            self.resubscribing += 1;
        }
        self.resumed_if_all_stand();
    }

    pub(super) fn subscribed(&mut self, ack: SubAck) {
        let text = ack.properties.and_then(|properties| properties.reason_string);
        let mut codes = ack.return_codes.into_iter();
        match self.pending.take_subscribe(ack.pkid) {
            Some(Pending::Subscribe(wanted)) => {
                for one in wanted {
                    self.answer_wanted(one, codes.next(), &text);
                }
            }
            Some(Pending::Resubscribe(again)) => {
                for one in again {
                    self.stands_again(&one.filter, codes.next(), &text);
                }
                self.resubscribing = self.resubscribing.saturating_sub(1);
                self.resumed_if_all_stand();
            }
            _ => debug!(id = ack.pkid, "the server answered a subscription that nobody waits for"),
        }
    }

    fn answer_wanted(&mut self, one: Wanted, code: Option<SubscribeReasonCode>, text: &Option<String>) {
        let Wanted { filter, answer, queue, .. } = one;
        let Some((sender, queue)) = queue else { return };
        match granted(code) {
            Ok(qos) => {
                info!(%filter, ?qos, "subscribed");
                self.inbox.confirm(&filter);
                let given_ones = Arc::clone(self.inbox.given_ones());
                reply(answer, Ok(Subscription { filter, qos, queue, given_ones }));
            }
            Err(reason) => {
                self.inbox.remove(&sender);
                let refused =
                    Error::SubscribeRefused { filter: filter.to_string(), reason, text: text.clone() };
                reply(answer, Err(refused));
            }
        }
    }

    fn stands_again(&mut self, filter: &Filter, code: Option<SubscribeReasonCode>, text: &Option<String>) {
        match granted(code) {
            Ok(_) => self.inbox.confirm(filter),
            Err(reason) => {
                self.inbox.remove_filter(filter);
                let filter = filter.to_string();
                let error = Error::SubscribeRefused { filter: filter.clone(), reason, text: text.clone() };
                warn!(%error, "a subscription is lost");
                self.hub.tell(Event::SubscriptionLost { filter, error });
            }
        }
    }

    pub(super) fn unsubscribed(&mut self, ack: UnsubAck) {
        let Some(requests) = self.pending.take_unsubscribe(ack.pkid) else { return };
        let mut reasons = ack.reasons.into_iter();
        for Unwanted { filter, answer } in requests {
            let result = match reasons.next() {
                Some(UnsubAckReason::Success | UnsubAckReason::NoSubscriptionExisted) => Ok(()),
                refused => {
                    let reason = refused.map_or(ReasonCode::UNSPECIFIED_ERROR, Reason::reason);
                    Err(Error::UnsubscribeRefused { filter: filter.to_string(), reason })
                }
            };
            if let Some(answer) = answer {
                reply(answer, result);
            }
        }
    }

    /// What was under way when the connection ended is asked again on the next one.
    pub(super) fn ask_again(&mut self, pending: Pending) -> Vec<Request> {
        match pending {
            Pending::Subscribe(wanted) => {
                wanted.iter().filter_map(|one| one.queue.as_ref()).for_each(|(sender, _)| {
                    self.inbox.remove(sender);
                });
                wanted.into_iter().map(Request::Subscribe).collect()
            }
            Pending::Unsubscribe(unwanted) => unwanted
                .into_iter()
                .filter_map(|one| self.still_unwanted(one))
                .map(Request::Unsubscribe)
                .collect(),
            // What does not stand yet is known from the subscriptions themselves.
            Pending::Resubscribe(_) | Pending::Publish(_) | Pending::Reserved => Vec::new(),
        }
    }

    /// Unless the filter was subscribed to again since, which the server may have answered first.
    fn still_unwanted(&self, one: Unwanted) -> Option<Unwanted> {
        if !self.inbox.has(&one.filter) {
            return Some(one);
        }
        if let Some(answer) = one.answer {
            reply(answer, Ok(()));
        }
        None
    }

    fn resumed_if_all_stand(&mut self) {
        if self.resuming && self.resubscribing == 0 {
            self.resuming = false;
            self.hub.tell(Event::Resumed);
        }
    }

    fn subscribe_packet<'a>(&mut self, id: u16, filters: impl Iterator<Item = (&'a Filter, QoS)>) {
        let filters = filters.map(|(filter, qos)| WireFilter::new(filter.as_str(), qos.to_wire())).collect();
        self.write(Packet::Subscribe(Subscribe { pkid: id, filters, properties: None }));
    }
}

/// What the server grants; a missing answer is a refusal.
fn granted(code: Option<SubscribeReasonCode>) -> Result<QoS, ReasonCode> {
    use rumqttc::v5::mqttbytes::QoS as WireQoS;
    match code {
        Some(SubscribeReasonCode::Success(WireQoS::AtMostOnce)) => Ok(QoS::AtMostOnce),
        Some(SubscribeReasonCode::Success(_)) => Ok(QoS::AtLeastOnce),
        Some(refused) => Err(refused.reason()),
        None => Err(ReasonCode::UNSPECIFIED_ERROR),
    }
}
