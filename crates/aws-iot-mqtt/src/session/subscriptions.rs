//! Subscriptions: what the application wants, against what the server has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::v5::{Packet, Subscribe, Unsubscribe};
use tracing::{debug, info, warn};

use super::filter_state::{FilterState, Server, Subscriber, reply};
use super::packet_ids::{PacketIds, Use};
use super::{Session, Written};
use crate::clock::after;
use crate::codec::{Output, ProtocolError};
use crate::event::Hub;
use crate::message_queue::QueueWriter;
use crate::outbox::Answer;
use crate::{Error, Event, Filter, QoS, ReasonCode, SubscribeOptions};

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

pub(super) struct Subscriptions {
    filters: Vec<FilterState>,
    /// What the server has to answer, by packet id.
    requests: BTreeMap<u16, Request>,
    /// The server has accepted a connection of this process.
    was_connected: bool,
    hub: Arc<Hub>,
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
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { filters: Vec::new(), requests: BTreeMap::new(), was_connected: false, hub }
    }

    /// How many filters there will be with this one.
    pub(super) fn count_with(&self, filter: &Filter) -> usize {
        self.filters.iter().filter(|state| state.is_wanted() && state.filter != *filter).count() + 1
    }

    pub(super) fn subscribe(&mut self, request: SubscribeRequest) {
        let state = self.state(&request.options.filter, Server::Absent);
        state.subscribers.push(Subscriber { request, requested: false });
    }

    /// Ends the streams of the filter at once; the server hears of it with the next [`Self::reconcile`].
    pub(super) fn unsubscribe(&mut self, filter: &Filter, answer: Answer<()>) {
        // A filter that is not known here may be one of an earlier process.
        let state = self.state(filter, Server::Unknown);
        for subscriber in state.subscribers.drain(..) {
            let qos = subscriber.request.options.qos;
            subscriber.end(Ok(qos));
        }
        state.unsubscribers.push(answer);
    }

    /// The server has accepted a connection.
    pub(super) fn connected(&mut self, session_present: bool) {
        let first = !std::mem::replace(&mut self.was_connected, true);
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
        for state in &mut self.filters {
            if state.requested.take().is_some() {
                state.server = Server::Unknown;
            }
        }
    }

    /// Writes the packets that bring the server to what is wanted: as few as the limit of filters in each allows.
    pub(super) fn reconcile(
        &mut self,
        ids: &mut PacketIds,
        output: &mut Output<Written>,
        most_filters: usize,
        one_at_a_time: bool,
    ) {
        for state in &mut self.filters {
            state.subscribers.retain(|subscriber| !subscriber.request.queue.is_closed());
            if state.requested.is_none() && (state.is_wanted() || state.server == Server::Absent) {
                // Nothing is left to be ended: it is wanted again, or was never there.
                state.unsubscribers.drain(..).for_each(|answer| reply(Some(answer), Ok(())));
            }
        }
        self.filters
            .retain(|state| state.is_wanted() || state.requested.is_some() || state.server != Server::Absent);
        let most = if one_at_a_time { 1 } else { most_filters.max(1) };
        for subscribe in [true, false] {
            while !(one_at_a_time && self.has_requests()) && self.request(ids, output, subscribe, most) {}
        }
    }

    /// Writes one packet for what is due. `false` where nothing is.
    fn request(
        &mut self,
        ids: &mut PacketIds,
        output: &mut Output<Written>,
        subscribe: bool,
        most: usize,
    ) -> bool {
        let due = self.filters.iter_mut().filter(|state| state.is_due(subscribe));
        let mut due: Vec<&mut FilterState> = due.take(most).collect();
        if due.is_empty() {
            return false;
        }
        let Some(id) = ids.take(Use::Request) else { return false };
        let packet = if subscribe {
            let filters = due.iter().map(|state| state.wire_filter()).collect();
            Packet::Subscribe(Subscribe { pkid: id, filters, properties: None })
        } else {
            let filters = due.iter().map(|state| state.filter.to_string()).collect();
            Packet::Unsubscribe(Unsubscribe { pkid: id, filters, properties: None })
        };
        output.packet(&packet, Written::Request(id));
        for state in &mut due {
            state.requested = Some(id);
            state.subscribers.iter_mut().for_each(|subscriber| subscriber.requested = true);
        }
        let filters = due.into_iter().map(|state| state.filter.clone()).collect();
        self.requests.insert(id, Request { packet, filters, subscribe, written: None, repeated: false });
        true
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
        let states = self.filters.iter().filter(|state| state.filter == *filter);
        !states.flat_map(|state| &state.subscribers).any(Subscriber::is_established)
    }

    /// Whether somebody waits for an answer.
    pub(super) fn is_awaited(&self) -> bool {
        self.filters.iter().any(FilterState::is_awaited)
    }

    /// Whether something of this filter was asked of the server, or is to be.
    pub(super) fn is_left(&self, filter: &Filter) -> bool {
        let mut states = self.filters.iter().filter(|state| state.filter == *filter);
        states.any(|state| state.requested.is_some() || state.is_due(true) || state.is_due(false))
    }

    pub(super) fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// SUBACK or UNSUBACK. Returns the filters that it answers; `None` where nobody waits for it: a request that was not
    /// written yet is not answered, whatever the server says.
    fn answered(
        &mut self,
        id: u16,
        subscribe: bool,
        reasons: &[ReasonCode],
        text: Option<&str>,
    ) -> Result<Option<Vec<Filter>>, ProtocolError> {
        let is_answered = |request: &&Request| request.subscribe == subscribe && request.written.is_some();
        let Some(request) = self.requests.get(&id).filter(is_answered) else { return Ok(None) };
        let (codes, asked) = (reasons.len(), request.filters.len());
        if codes != asked {
            // One for each filter, in their order (MQTT 5, sections 3.9.3 and 3.11.3).
            let packet = if subscribe { "a SUBACK" } else { "an UNSUBACK" };
            let what = format!("{packet} with {codes} reason codes, where {asked} had to come");
            return Err(ProtocolError::in_answer(0x82, what));
        }
        let filters = self.requests.remove(&id).map(|request| request.filters).unwrap_or_default();
        for (filter, &reason) in filters.iter().zip(reasons) {
            let Some(state) = self.filters.iter_mut().find(|state| state.filter == *filter) else { continue };
            state.requested = None;
            let name = || filter.to_string();
            match (subscribe, reason.is_error()) {
                (true, false) => {
                    let qos = if reason.code() == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
                    info!(%filter, ?qos, "subscribed");
                    state.granted(qos);
                }
                (true, true) => {
                    let (filter, text) = (name(), text.map(str::to_owned));
                    state.refused(&Error::SubscribeRefused { filter, reason, text }, &self.hub);
                }
                (false, false) => state.unsubscribed(&Ok(())),
                (false, true) => {
                    state.unsubscribed(&Err(Error::UnsubscribeRefused { filter: name(), reason }))
                }
            }
        }
        Ok(Some(filters))
    }

    /// Gives up what was asked for this filter.
    pub(super) fn fail(&mut self, filter: &Filter, error: &Error) {
        for state in self.filters.iter_mut().filter(|state| state.filter == *filter) {
            state.server = Server::Absent;
            state.refused(error, &self.hub);
            state.unsubscribed(&Err(error.clone()));
        }
    }

    /// When [`Self::timer`] has something to do.
    pub(super) fn deadline(&self, patience: Duration) -> Option<Instant> {
        let requests = self.requests.values().filter_map(|request| {
            let bound = if request.repeated { patience } else { REPEAT_AFTER.min(patience) };
            Some(after(request.written?, bound))
        });
        requests.min()
    }

    /// Gives up requests that were not answered within `patience`, and writes others once more.
    pub(super) fn timer(
        &mut self,
        ids: &mut PacketIds,
        output: &mut Output<Written>,
        patience: Duration,
        now: Instant,
    ) {
        let is_late = |_: &u16, request: &mut Request| {
            request.written.is_some_and(|written| now >= after(written, patience))
        };
        let late: Vec<(u16, Request)> = self.requests.extract_if(.., is_late).collect();
        for (id, request) in late {
            ids.release(id);
            for filter in &request.filters {
                let end = if request.subscribe { "" } else { "the end of " };
                let what = format!("{end}the subscription to '{filter}'");
                self.fail(filter, &Error::OperationTimeout { what, after: patience });
            }
        }
        for (id, request) in self.requests.iter_mut().filter(|(_, request)| !request.repeated) {
            if request.written.is_some_and(|written| now >= after(written, REPEAT_AFTER)) {
                request.repeated = true;
                let packet = if request.subscribe { "SUBSCRIBE" } else { "UNSUBSCRIBE" };
                let filters: Vec<&str> = request.filters.iter().map(Filter::as_str).collect();
                let filters = filters.join(", ");
                warn!(filters, "{packet} is not answered yet: it is sent once more");
                output.packet(&request.packet, Written::Request(*id));
            }
        }
    }

    /// The streams that a message under `topic` goes to, and whether each acknowledges by itself.
    pub(super) fn matching<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = (&'a QueueWriter, bool)> {
        let states = self.filters.iter().filter(move |state| state.filter.matches(topic));
        let requests = states.flat_map(|state| &state.subscribers).map(|subscriber| &subscriber.request);
        requests.filter(|one| !one.queue.is_closed()).map(|one| (&one.queue, one.options.manual))
    }

    /// All streams.
    pub(super) fn queues(&self) -> impl Iterator<Item = &QueueWriter> {
        self.filters.iter().flat_map(|state| &state.subscribers).map(|subscriber| &subscriber.request.queue)
    }

    /// The client is at its end.
    pub(super) fn fail_all(&mut self, why: &Error) {
        self.requests.clear();
        for mut state in self.filters.drain(..) {
            state.subscribers.drain(..).for_each(|subscriber| subscriber.end(Err(why.clone())));
            state.unsubscribed(&Err(why.clone()));
        }
    }

    fn state(&mut self, filter: &Filter, server: Server) -> &mut FilterState {
        let known = self.filters.iter().position(|state| state.filter == *filter);
        let index = known.unwrap_or_else(|| {
            self.filters.push(FilterState {
                filter: filter.clone(),
                subscribers: Vec::new(),
                unsubscribers: Vec::new(),
                server,
                requested: None,
            });
            self.filters.len() - 1
        });
        #[allow(clippy::indexing_slicing, reason = "it was found, or has just been added")]
        &mut self.filters[index]
    }
}

impl Session {
    /// Asks the server for what it does not have, if there is a connection.
    pub(super) fn reconcile(&mut self) {
        let one_at_a_time = self.blame.one_at_a_time();
        if self.connection.is_none() || (one_at_a_time && self.ids.publishes() > 0) {
            return;
        }
        let most = self.limits.filters_per_subscribe;
        self.subscriptions.reconcile(&mut self.ids, &mut self.output, most, one_at_a_time);
    }

    /// SUBACK or UNSUBACK.
    pub(super) fn answered(
        &mut self,
        id: u16,
        subscribe: bool,
        reasons: &[ReasonCode],
        text: Option<String>,
    ) -> Result<(), ProtocolError> {
        let Some(filters) = self.subscriptions.answered(id, subscribe, reasons, text.as_deref())? else {
            // The second answer to a request that was sent twice, for example.
            debug!(id, "the server answered a request that nobody waits for");
            return Ok(());
        };
        self.ids.release(id);
        self.blame.granted(&filters);
        self.answered = true;
        self.resumed_if_all_stand();
        Ok(())
    }

    pub(super) fn resumed_if_all_stand(&mut self) {
        if self.resuming && !self.subscriptions.has_requests() {
            self.resuming = false;
            self.hub.tell(Event::Resumed);
        }
    }
}
