//! Subscriptions: what the application wants, against what the server has.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::v5::{Packet, Subscribe, Unsubscribe};
use tracing::{debug, info, warn};

use super::blame::Item;
use super::filter_state::{FilterState, Server, Subscriber};
use super::publishing::Use;
use super::{Session, Written};
use crate::clock::after;
use crate::codec::ProtocolError;
use crate::message_queue::QueueWriter;
use crate::outbox::{Answer, reply};
use crate::{Error, Event, Filter, QoS, ReasonCode};

/// When a SUBSCRIBE or UNSUBSCRIBE that is not answered is sent once more, with the same packet id (AWS IoT Device
/// Advisor, "Subscribe with retry": the device has to send it again, and the test waits for it).
const REPEAT_AFTER: Duration = Duration::from_secs(10);

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

impl Subscriptions {
    /// How many filters there will be with this one.
    pub(super) fn count_with(&self, filter: &Filter) -> usize {
        self.filters.iter().filter(|state| state.is_wanted() && state.filter != *filter).count() + 1
    }

    pub(super) fn subscribe(&mut self, subscriber: Subscriber) {
        let filter = subscriber.options.filter.clone();
        self.get_or_insert(filter, Server::Absent).subscribers.push(subscriber);
    }

    /// Ends the streams of the filter at once; the server hears of it with the next [`Session::reconcile`].
    pub(super) fn unsubscribe(&mut self, filter: Filter, answer: Answer<()>) {
        // A filter that is not known here may be one of an earlier process.
        let state = self.get_or_insert(filter, Server::Unknown);
        for Subscriber { options, answer, .. } in state.subscribers.drain(..) {
            reply(answer, Ok(options.qos));
        }
        state.unsubscribers.push(answer);
    }

    /// The server has accepted a connection, the `first` of this process or a later one.
    pub(super) fn connected(&mut self, session_present: bool, first: bool) {
        for state in &mut self.filters {
            // Given to the builder, so the session of an earlier process has it.
            let given = |one: &Subscriber| first && one.is_established();
            if !session_present {
                state.server = Server::Absent;
            } else if state.subscribers.iter().any(given) {
                state.server = Server::Active;
            }
            for one in &mut state.subscribers {
                one.requested = state.server == Server::Active && (one.requested || given(one));
            }
        }
    }

    pub(super) fn disconnected(&mut self) {
        self.requests.clear();
        for state in self.filters.iter_mut().filter(|state| state.requested) {
            (state.requested, state.server) = (false, Server::Unknown);
        }
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
        self.get(filter).is_none_or(|state| !state.subscribers.iter().any(Subscriber::is_established))
    }

    /// Whether somebody waits for an answer.
    pub(super) fn is_awaited(&self) -> bool {
        self.filters.iter().any(FilterState::is_awaited)
    }

    /// Whether something of this filter was asked of the server, or is to be.
    pub(super) fn is_left(&self, filter: &Filter) -> bool {
        self.get(filter).is_some_and(|state| state.requested || state.is_due(true) || state.is_due(false))
    }

    pub(super) fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// When [`Session::time_requests`] has something to do.
    pub(super) fn deadline(&self, patience: Duration) -> Option<Instant> {
        let requests = self.requests.values().filter_map(|request| {
            let bound = if request.repeated { patience } else { REPEAT_AFTER.min(patience) };
            Some(after(request.written?, bound))
        });
        requests.min()
    }

    /// The streams that a message under `topic` goes to, and whether each acknowledges by itself.
    pub(super) fn matching<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = (&'a QueueWriter, bool)> {
        let states = self.filters.iter().filter(move |state| state.filter.matches(topic));
        let open = states.flat_map(|state| &state.subscribers).filter(|one| !one.queue.is_closed());
        open.map(|one| (&*one.queue, one.options.manual))
    }

    /// All streams.
    pub(super) fn queues(&self) -> impl Iterator<Item = &QueueWriter> {
        self.filters.iter().flat_map(|state| &state.subscribers).map(|one| &*one.queue)
    }

    /// Forgets what nobody wants and the server does not have.
    fn tidy(&mut self) {
        for state in &mut self.filters {
            state.subscribers.retain(|one| !one.queue.is_closed());
            if !state.requested && (state.is_wanted() || state.server == Server::Absent) {
                // Nothing is left to be ended: it is wanted again, or was never there.
                state.unsubscribers.drain(..).for_each(|answer| reply(Some(answer), Ok(())));
            }
        }
        self.filters.retain(|state| state.is_wanted() || state.requested || state.server != Server::Absent);
    }

    fn get(&self, filter: &Filter) -> Option<&FilterState> {
        self.filters.iter().find(|state| state.filter == *filter)
    }

    fn get_mut(&mut self, filter: &Filter) -> Option<&mut FilterState> {
        self.filters.iter_mut().find(|state| state.filter == *filter)
    }

    fn get_or_insert(&mut self, filter: Filter, server: Server) -> &mut FilterState {
        let known = self.filters.iter().position(|state| state.filter == filter);
        let index = known.unwrap_or(self.filters.len());
        if known.is_none() {
            let (subscribers, unsubscribers) = (Vec::new(), Vec::new());
            self.filters.push(FilterState { filter, subscribers, unsubscribers, server, requested: false });
        }
        #[allow(clippy::indexing_slicing, reason = "it was found, or has just been added")]
        &mut self.filters[index]
    }
}

impl Session {
    /// Writes the packets that bring the server to what is wanted, if there is a connection: as few as the limit of filters
    /// in each allows.
    pub(super) fn reconcile(&mut self) {
        let one_at_a_time = self.blame.one_at_a_time();
        if self.connection.is_none() || (one_at_a_time && self.ids.publishes() > 0) {
            return;
        }
        self.subscriptions.tidy();
        let most = if one_at_a_time { 1 } else { self.shared.limits.filters_per_subscribe.max(1) };
        for subscribe in [true, false] {
            while !(one_at_a_time && self.subscriptions.has_requests()) && self.request(subscribe, most) {}
        }
    }

    /// Writes one packet for what is due. `false` where nothing is.
    fn request(&mut self, subscribe: bool, most: usize) -> bool {
        let Subscriptions { filters, requests } = &mut self.subscriptions;
        let due = filters.iter_mut().filter(|state| state.is_due(subscribe));
        let mut due: Vec<&mut FilterState> = due.take(most).collect();
        if due.is_empty() {
            return false;
        }
        let Some(id) = self.ids.take(Use::Request) else { return false };
        let packet = if subscribe {
            let filters = due.iter().map(|state| state.wire_filter()).collect();
            Packet::Subscribe(Subscribe { pkid: id, filters, properties: None })
        } else {
            let filters = due.iter().map(|state| state.filter.to_string()).collect();
            Packet::Unsubscribe(Unsubscribe { pkid: id, filters, properties: None })
        };
        self.output.packet(&packet, Written::Request(id));
        for state in &mut due {
            state.requested = true;
            state.subscribers.iter_mut().for_each(|one| one.requested = true);
        }
        let filters = due.into_iter().map(|state| state.filter.clone()).collect();
        requests.insert(id, Request { packet, filters, subscribe, written: None, repeated: false });
        true
    }

    /// Gives up requests that were not answered within the operation time-out, and writes others once more.
    pub(super) fn time_requests(&mut self, now: Instant) {
        let patience = self.operation_timeout;
        let is_over = |request: &Request, bound| request.written.is_some_and(|at| now >= after(at, bound));
        let requests = &mut self.subscriptions.requests;
        let late: Vec<_> = requests.extract_if(.., |_, request| is_over(request, patience)).collect();
        let unanswered = requests.iter_mut().filter(|(_, request)| !request.repeated);
        for (id, request) in unanswered.filter(|(_, request)| is_over(request, REPEAT_AFTER)) {
            request.repeated = true;
            let packet = if request.subscribe { "SUBSCRIBE" } else { "UNSUBSCRIBE" };
            let filters = request.filters.iter().map(Filter::as_str).collect::<Vec<_>>().join(", ");
            warn!(filters, "{packet} is not answered yet: it is sent once more");
            self.output.packet(&request.packet, Written::Request(*id));
        }
        for (id, request) in late {
            self.ids.release(id);
            for filter in &request.filters {
                let end = if request.subscribe { "" } else { "the end of " };
                let what = format!("{end}the subscription to '{filter}'");
                self.fail_filter(filter, &Error::OperationTimeout { what, after: patience });
            }
        }
    }

    /// Gives up what was asked for this filter.
    pub(super) fn fail_filter(&mut self, filter: &Filter, error: &Error) {
        if let Some(state) = self.subscriptions.get_mut(filter) {
            state.server = Server::Absent;
            state.refused(error, &self.shared.hub);
            state.unsubscribed(&Err(error.clone()));
        }
    }

    /// SUBACK or UNSUBACK.
    pub(super) fn answered(
        &mut self,
        id: u16,
        subscribe: bool,
        reasons: &[ReasonCode],
        text: Option<String>,
    ) -> Result<(), ProtocolError> {
        // A request that was not written yet is not answered, whatever the server says.
        let is_answered = |request: &&Request| request.subscribe == subscribe && request.written.is_some();
        let Some(request) = self.subscriptions.requests.get(&id).filter(is_answered) else {
            // The second answer to a request that was sent twice, for example.
            debug!(id, "the server answered a request that nobody waits for");
            return Ok(());
        };
        let (codes, asked) = (reasons.len(), request.filters.len());
        if codes != asked {
            // One for each filter, in their order (MQTT 5, sections 3.9.3 and 3.11.3).
            let packet = if subscribe { "a SUBACK" } else { "an UNSUBACK" };
            let what = format!("{packet} with {codes} reason codes, where {asked} had to come");
            return Err(ProtocolError::in_answer(0x82, what));
        }
        self.ids.release(id);
        let filters =
            self.subscriptions.requests.remove(&id).map(|request| request.filters).unwrap_or_default();
        for (filter, &reason) in filters.iter().zip(reasons) {
            let Some(state) = self.subscriptions.get_mut(filter) else { continue };
            state.requested = false;
            let (name, text) = (filter.to_string(), text.clone());
            match (subscribe, reason.is_error()) {
                (true, false) => {
                    let qos = if reason.code() == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
                    info!(%filter, ?qos, "subscribed");
                    state.granted(qos);
                }
                (true, true) => {
                    state.refused(&Error::SubscribeRefused { filter: name, reason, text }, &self.shared.hub);
                }
                (false, false) => state.unsubscribed(&Ok(())),
                (false, true) => state.unsubscribed(&Err(Error::UnsubscribeRefused { filter: name, reason })),
            }
            self.blame.answered(&Item::Filter(filter.clone()));
        }
        self.answered = true;
        self.resumed_if_all_stand();
        Ok(())
    }

    pub(super) fn resumed_if_all_stand(&mut self) {
        if self.resuming && !self.subscriptions.has_requests() {
            self.resuming = false;
            self.shared.hub.tell(Event::Resumed);
        }
    }
}
