//! Subscriptions: what the application wants, against what the server has.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::v5::{Packet, Subscribe, SubscribeReasonCode, UnsubAckReason, Unsubscribe};

use super::filter_state::{FilterState, Server, Subscriber};
use super::packet_ids::{PacketIds, Use};
use crate::clock::after;
use crate::codec::{ProtocolError, Reason as _, wire_qos};
use crate::message_queue::QueueWriter;
use crate::outbox::Answer;
use crate::{Error, Filter, QoS, ReasonCode, SubscribeOptions};

/// When a SUBSCRIBE or UNSUBSCRIBE that is not answered is sent once more, with the same packet id (AWS IoT Device
/// Advisor, "Subscribe with retry": the device has to send it again, and the test waits for it).
const REPEAT_AFTER: Duration = Duration::from_secs(10);

/// A subscription that the application asks for.
pub(crate) struct SubscribeRequest {
    pub(crate) options: SubscribeOptions,
    pub(crate) queue: QueueWriter,
    /// `None` where nobody waits: it was given to the builder.
    pub(crate) answer: Option<Answer<QoS>>,
}

#[derive(Default)]
pub(super) struct Subscriptions {
    filters: Vec<FilterState>,
    /// What the server has to answer, by packet id.
    requests: BTreeMap<u16, Request>,
}

/// A SUBSCRIBE or UNSUBSCRIBE.
struct Request {
    packet: Packet,
    filters: Vec<Filter>,
    subscribe: bool,
    /// When its last byte was written.
    written: Option<Instant>,
    repeated: bool,
}

/// What the session has to do after an answer or a time-out.
pub(super) enum Outcome {
    Subscribed(Filter, QoS),
    /// A subscription that stood before is lost.
    Lost(Filter, Error),
}

/// A request that the server has answered: for which filters, and what follows.
pub(super) type Answered = (Vec<Filter>, Vec<Outcome>);

impl Subscriptions {
    /// How many filters there will be with this one.
    pub(super) fn count_with(&self, filter: &Filter) -> usize {
        self.filters.iter().filter(|state| state.is_wanted() && state.filter != *filter).count() + 1
    }

    pub(super) fn subscribe(&mut self, request: SubscribeRequest, now: Instant) {
        let SubscribeRequest { options, queue, answer } = request;
        let initial = answer.is_none();
        let state = self.state(&options.filter, Server::Absent);
        let (requested, established) = (false, initial);
        state.subscribers.push(Subscriber {
            options,
            queue,
            answer,
            since: now,
            requested,
            established,
            initial,
        });
    }

    /// Ends the streams of the filter at once; the server hears of it with the next [`Self::reconcile`].
    pub(super) fn unsubscribe(&mut self, filter: &Filter, answer: Answer<()>, now: Instant) {
        // A filter that is not known here may be one of an earlier process.
        let state = self.state(filter, Server::Unknown);
        for subscriber in state.subscribers.drain(..) {
            subscriber.queue.end_subscription();
            if let Some(answer) = subscriber.answer {
                let _ = answer.send(Ok(subscriber.options.qos));
            }
        }
        state.unsubscribers.push((answer, now));
    }

    /// The server has accepted a connection.
    pub(super) fn connected(&mut self, session_present: bool) {
        for state in &mut self.filters {
            if !session_present {
                state.server = Server::Absent;
            } else if state.subscribers.iter().any(|subscriber| subscriber.initial) {
                // The session of an earlier process has it.
                state.server = Server::Active;
            }
            for subscriber in &mut state.subscribers {
                subscriber.requested =
                    state.server == Server::Active && (subscriber.requested || subscriber.initial);
                subscriber.initial = false;
            }
        }
    }

    pub(super) fn disconnected(&mut self) {
        self.requests.clear();
        for state in &mut self.filters {
            if state.requested.take().is_some() {
                state.server = Server::Unknown;
            }
        }
    }

    /// The packets that bring the server to what is wanted: as few as the limit of filters in each allows.
    pub(super) fn reconcile(
        &mut self,
        ids: &mut PacketIds,
        most_filters: usize,
        one_at_a_time: bool,
    ) -> Vec<u16> {
        for state in &mut self.filters {
            state.subscribers.retain(|subscriber| !subscriber.queue.is_closed());
            if state.requested.is_none() && (state.is_wanted() || state.server == Server::Absent) {
                // Nothing is left to be ended: it is wanted again, or was never there.
                for (answer, _) in state.unsubscribers.drain(..) {
                    let _ = answer.send(Ok(()));
                }
            }
        }
        self.filters
            .retain(|state| state.is_wanted() || state.requested.is_some() || state.server != Server::Absent);
        let mut sent = Vec::new();
        for subscribe in [true, false] {
            loop {
                if one_at_a_time && !self.requests.is_empty() {
                    return sent;
                }
                let most = if one_at_a_time { 1 } else { most_filters.max(1) };
                let Some(id) = self.request(ids, subscribe, most) else { break };
                sent.push(id);
            }
        }
        sent
    }

    fn request(&mut self, ids: &mut PacketIds, subscribe: bool, most: usize) -> Option<u16> {
        let due = self.filters.iter_mut().filter(|state| state.is_due(subscribe));
        let mut due: Vec<&mut FilterState> = due.take(most).collect();
        if due.is_empty() {
            return None;
        }
        let id = ids.take(Use::Request)?;
        let filters: Vec<Filter> = due.iter().map(|state| state.filter.clone()).collect();
        let packet = if subscribe {
            let filters = due.iter().map(|state| state.wire_filter()).collect();
            Packet::Subscribe(Subscribe { pkid: id, filters, properties: None })
        } else {
            let filters = filters.iter().map(ToString::to_string).collect();
            Packet::Unsubscribe(Unsubscribe { pkid: id, filters, properties: None })
        };
        for state in &mut due {
            state.requested = Some(id);
            state.subscribers.iter_mut().for_each(|subscriber| subscriber.requested = true);
        }
        self.requests.insert(id, Request { packet, filters, subscribe, written: None, repeated: false });
        Some(id)
    }

    pub(super) fn packet(&self, id: u16) -> Option<&Packet> {
        self.requests.get(&id).map(|request| &request.packet)
    }

    pub(super) fn in_words(&self, id: u16) -> String {
        let Some(request) = self.requests.get(&id) else { return String::new() };
        let filters: Vec<&str> = request.filters.iter().map(Filter::as_str).collect();
        format!("{} of {}", if request.subscribe { "SUBSCRIBE" } else { "UNSUBSCRIBE" }, filters.join(", "))
    }

    pub(super) fn written(&mut self, id: u16, now: Instant) {
        if let Some(request) = self.requests.get_mut(&id) {
            request.written.get_or_insert(now);
        }
    }

    /// The request that the server has owed an answer for longest, and since when.
    pub(super) fn oldest_request(&self) -> Option<(&Filter, Instant)> {
        let written =
            self.requests.values().filter_map(|request| request.filters.first().zip(request.written));
        written.min_by_key(|(_, written)| *written)
    }

    /// Whether nobody has a stream of that filter yet, and whoever asks for one is told if there is none.
    pub(super) fn is_only_awaited(&self, filter: &Filter) -> bool {
        let mut states = self.filters.iter().filter(|state| state.filter == *filter);
        states.all(|state| state.subscribers.iter().all(|one| one.answer.is_some()))
    }

    /// Whether somebody waits for an answer.
    pub(super) fn is_awaited(&self) -> bool {
        self.filters.iter().any(|state| state.waiting_since().next().is_some())
    }

    /// Whether something of this filter was asked of the server, or is to be.
    pub(super) fn is_left(&self, filter: &Filter) -> bool {
        let mut states = self.filters.iter().filter(|state| state.filter == *filter);
        states.any(|state| state.requested.is_some() || state.is_due(true) || state.is_due(false))
    }

    pub(super) fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// SUBACK. `None` for one that nobody waits for.
    pub(super) fn subscribed(
        &mut self,
        id: u16,
        codes: Vec<SubscribeReasonCode>,
        text: &Option<String>,
    ) -> Result<Option<Answered>, ProtocolError> {
        let Some(request) = self.take(id, true, codes.len())? else { return Ok(None) };
        let mut outcomes = Vec::new();
        for (filter, code) in request.filters.iter().zip(codes) {
            let Some(state) = self.filters.iter_mut().find(|state| state.filter == *filter) else { continue };
            state.requested = None;
            match granted(code) {
                Ok(qos) => {
                    state.granted(qos);
                    outcomes.push(Outcome::Subscribed(filter.clone(), qos));
                }
                Err(reason) => {
                    let text = text.clone();
                    let error = Error::SubscribeRefused { filter: filter.to_string(), reason, text };
                    outcomes.extend(state.refused(&error));
                }
            }
        }
        Ok(Some((request.filters, outcomes)))
    }

    /// UNSUBACK. `None` for one that nobody waits for.
    pub(super) fn unsubscribed(
        &mut self,
        id: u16,
        reasons: Vec<UnsubAckReason>,
    ) -> Result<Option<Answered>, ProtocolError> {
        let Some(request) = self.take(id, false, reasons.len())? else { return Ok(None) };
        for (filter, reason) in request.filters.iter().zip(reasons) {
            let Some(state) = self.filters.iter_mut().find(|state| state.filter == *filter) else { continue };
            state.unsubscribed(match reason {
                UnsubAckReason::Success | UnsubAckReason::NoSubscriptionExisted => Ok(()),
                other => {
                    Err(Error::UnsubscribeRefused { filter: filter.to_string(), reason: other.reason() })
                }
            });
        }
        Ok(Some((request.filters, Vec::new())))
    }

    /// Gives up what was asked for this filter.
    pub(super) fn fail(&mut self, filter: &Filter, error: &Error) -> Vec<Outcome> {
        let Some(state) = self.filters.iter_mut().find(|state| state.filter == *filter) else {
            return Vec::new();
        };
        state.server = Server::Absent;
        let lost = state.refused(error);
        state.unsubscribed(Err(error.clone()));
        lost.into_iter().collect()
    }

    /// When [`Self::timer`] has something to do.
    pub(super) fn deadline(&self, patience: Duration) -> Option<Instant> {
        let requests = self.requests.values().filter_map(|request| {
            let bound = if request.repeated { patience } else { REPEAT_AFTER.min(patience) };
            Some(after(request.written?, bound))
        });
        let callers = self.filters.iter().flat_map(FilterState::waiting_since);
        requests.chain(callers.map(|since| after(since, patience))).min()
    }

    /// Gives up what waited for longer than `patience`. Returns the requests that are to be written once more.
    pub(super) fn timer(
        &mut self,
        ids: &mut PacketIds,
        patience: Duration,
        now: Instant,
    ) -> (Vec<u16>, Vec<Outcome>) {
        let (mut again, mut late) = (Vec::new(), Vec::new());
        for (id, request) in &mut self.requests {
            let Some(written) = request.written else { continue };
            if now >= after(written, patience) {
                late.push(*id);
            } else if !request.repeated && now >= after(written, REPEAT_AFTER) {
                request.repeated = true;
                again.push(*id);
            }
        }
        let mut outcomes = Vec::new();
        for id in late {
            ids.release(id);
            let Some(request) = self.requests.remove(&id) else { continue };
            for filter in &request.filters {
                outcomes.extend(self.fail(filter, &timed_out(filter, request.subscribe, patience)));
            }
        }
        for state in &mut self.filters {
            let filter = state.filter.clone();
            state.fail_older(
                |since| now >= after(since, patience),
                |subscribe| timed_out(&filter, subscribe, patience),
            );
        }
        (again, outcomes)
    }

    /// The streams that a message under `topic` goes to, and whether each acknowledges by itself.
    pub(super) fn matching<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = (&'a QueueWriter, bool)> {
        let states = self.filters.iter().filter(move |state| state.filter.matches(topic));
        let subscribers = states.flat_map(|state| &state.subscribers);
        subscribers.filter(|one| !one.queue.is_closed()).map(|one| (&one.queue, one.options.manual))
    }

    /// All streams.
    pub(super) fn queues(&self) -> impl Iterator<Item = &QueueWriter> {
        self.filters.iter().flat_map(|state| state.subscribers.iter().map(|subscriber| &subscriber.queue))
    }

    /// The client is at its end.
    pub(super) fn fail_all(&mut self, why: &Error) {
        self.requests.clear();
        for mut state in self.filters.drain(..) {
            state.subscribers.iter().for_each(|subscriber| subscriber.queue.end_subscription());
            state.fail_older(|_| true, |_| why.clone());
        }
    }

    /// The request that `codes` reason codes answer. `None` for an answer that nobody waits for: a request that was not
    /// written yet is not answered, whatever the server says.
    fn take(&mut self, id: u16, subscribe: bool, codes: usize) -> Result<Option<Request>, ProtocolError> {
        let answered = |request: &&Request| request.subscribe == subscribe && request.written.is_some();
        let Some(request) = self.requests.get(&id).filter(answered) else { return Ok(None) };
        let filters = request.filters.len();
        if codes != filters {
            // One for each filter, in their order (MQTT 5, sections 3.9.3 and 3.11.3).
            let packet = if subscribe { "a SUBACK" } else { "an UNSUBACK" };
            let what = format!("{packet} with {codes} reason codes, where {filters} filters were asked for");
            return Err(ProtocolError::in_answer(0x82, what));
        }
        Ok(self.requests.remove(&id))
    }

    fn state(&mut self, filter: &Filter, server: Server) -> &mut FilterState {
        let index =
            self.filters.iter().position(|state| state.filter == *filter).unwrap_or(self.filters.len());
        if index == self.filters.len() {
            self.filters.push(FilterState {
                filter: filter.clone(),
                subscribers: Vec::new(),
                unsubscribers: Vec::new(),
                server,
                requested: None,
            });
        }
        #[allow(clippy::indexing_slicing, reason = "it was found, or has just been added")]
        &mut self.filters[index]
    }
}

fn timed_out(filter: &Filter, subscribe: bool, after: Duration) -> Error {
    let what = if subscribe { "the subscription to" } else { "the end of the subscription to" };
    Error::OperationTimeout { what: format!("{what} '{filter}'"), after }
}

/// What the server grants.
fn granted(code: SubscribeReasonCode) -> Result<QoS, ReasonCode> {
    match code {
        SubscribeReasonCode::Success(qos) if qos == wire_qos(QoS::AtMostOnce) => Ok(QoS::AtMostOnce),
        SubscribeReasonCode::Success(_) => Ok(QoS::AtLeastOnce),
        refused => Err(refused.reason()),
    }
}
