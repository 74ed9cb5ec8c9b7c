//! Subscriptions that the application asks for, as SUBSCRIBE and UNSUBSCRIBE, and their answers.

use tracing::{debug, info, warn};

use super::subscriptions::{Answered, Outcome, SubscribeRequest};
use super::{Command, Session, Written};
use crate::Event;
use crate::clock::{Moment, after};

impl Session {
    pub(crate) fn command(&mut self, command: Command, now: Moment) {
        match command {
            Command::Subscribe(requests) => {
                for request in requests {
                    let count = self.subscriptions.count_with(&request.options.filter);
                    match (self.limits.check_subscriptions(count), request.answer) {
                        (Ok(()), answer) => {
                            self.subscriptions.subscribe(SubscribeRequest { answer, ..request }, now.instant);
                        }
                        (Err(error), Some(answer)) => drop(answer.send(Err(error))),
                        // Those of the builder were counted there.
                        (Err(_), None) => {}
                    }
                }
            }
            Command::Timer(time, answer) => {
                self.timers.retain(|(_, answer)| !answer.is_closed());
                return self.timers.push((after(now.instant, time), answer));
            }
            Command::Unsubscribe(filter, answer) => {
                self.subscriptions.unsubscribe(&filter, answer, now.instant)
            }
        }
        self.reconcile();
    }

    /// Asks the server for what it does not have, if there is a connection.
    pub(super) fn reconcile(&mut self) {
        if self.connection.is_none() {
            return;
        }
        let one_at_a_time = self.blame.one_at_a_time();
        if one_at_a_time && self.ids.publishes() > 0 {
            return;
        }
        let most = self.limits.filters_per_subscribe;
        for id in self.subscriptions.reconcile(&mut self.ids, most, one_at_a_time) {
            self.send_request(id);
        }
    }

    pub(super) fn send_request(&mut self, id: u16) {
        if let Some(packet) = self.subscriptions.packet(id) {
            self.output.packet(packet, Written::Request(id));
        }
    }

    pub(super) fn report(&mut self, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            match outcome {
                Outcome::Subscribed(filter, qos) => {
                    self.acknowledged = true;
                    info!(%filter, ?qos, "subscribed");
                }
                Outcome::Lost(filter, error) => {
                    warn!(error = %error.report(), "a subscription is lost");
                    self.hub.tell(Event::SubscriptionLost { filter: filter.to_string(), error });
                }
            }
        }
        self.resumed_if_all_stand();
    }

    pub(super) fn resumed_if_all_stand(&mut self) {
        if self.resuming && !self.subscriptions.has_requests() {
            self.resuming = false;
            self.hub.tell(Event::Resumed);
        }
    }

    pub(super) fn answered(&mut self, id: u16, answered: Option<Answered>) {
        match answered {
            Some((filters, outcomes)) => {
                self.ids.release(id);
                self.blame.granted(&filters);
                self.report(outcomes);
            }
            // The second answer to a request that was sent twice, for example.
            None => debug!(id, "the server answered a request that nobody waits for"),
        }
    }
}
