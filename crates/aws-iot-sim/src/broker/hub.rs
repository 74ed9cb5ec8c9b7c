//! Where messages meet subscriptions: who is connected, who wants what, and which messages are retained.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode, Publish};
use tokio::sync::{mpsc, oneshot};

use super::topic::{TopicFilter, TopicName};
use crate::limits::{SUBSCRIPTIONS_PER_CONNECTION, WAITING_MESSAGES};
use crate::policy::{Action, Decision};
use crate::registry::{CertificateId, Registry};

/// The meeting point of all sessions.
#[derive(Debug)]
pub(crate) struct Hub {
    registry: Arc<Registry>,
    // One lock: routing is short, and a full queue is never waited for.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    members: HashMap<String, Member>,
    retained: BTreeMap<String, Publish>,
    /// The next turn in each shared subscription.
    turns: HashMap<String, usize>,
    last_session: u64,
}

#[derive(Debug)]
struct Member {
    session: u64,
    certificate: CertificateId,
    queue: mpsc::Sender<Publish>,
    end: Option<oneshot::Sender<DisconnectReasonCode>>,
    subscriptions: Vec<Subscription>,
}

/// One subscription of one client.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    pub(super) filter: TopicFilter,
    pub(super) qos: QoS,
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
}

/// A session's place in the hub; dropping it gives the place up.
pub(super) struct Membership {
    hub: Arc<Hub>,
    client_id: String,
    session: u64,
    /// Messages for this client.
    pub(super) queue: mpsc::Receiver<Publish>,
    /// Resolves when the broker ends this session, with the reason.
    pub(super) ended: oneshot::Receiver<DisconnectReasonCode>,
}

impl Hub {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, state: Mutex::default() }
    }

    /// The client ids that are connected now.
    pub(crate) fn client_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.state().members.keys().cloned().collect();
        ids.sort();
        ids
    }

    /// Ends the session of a client, as an operator of the broker would. Returns whether it was connected.
    pub(crate) fn end(&self, client_id: &str, reason: DisconnectReasonCode) -> bool {
        self.state().members.get_mut(client_id).is_some_and(|member| member.end(reason))
    }

    /// Takes a place for a client; an older session with the same id has to go.
    pub(super) fn join(self: &Arc<Self>, client_id: &str, certificate: &CertificateId) -> Membership {
        let (sender, queue) = mpsc::channel(WAITING_MESSAGES);
        let (end, ended) = oneshot::channel();
        let mut state = self.state();
        state.last_session += 1;
        let session = state.last_session;
        let member = Member {
            session,
            certificate: certificate.clone(),
            queue: sender,
            end: Some(end),
            subscriptions: Vec::new(),
        };
        if let Some(mut older) = state.members.insert(client_id.to_owned(), member) {
            tracing::info!(client_id, "a newer connection takes the session over");
            older.end(DisconnectReasonCode::SessionTakenOver);
        }
        drop(state);
        Membership { hub: Arc::clone(self), client_id: client_id.to_owned(), session, queue, ended }
    }

    /// Delivers a message to everybody who subscribed to its topic and may receive it.
    pub(super) fn route(&self, sender: &str, topic: &TopicName, message: &Publish) {
        let mut state = self.state();
        let State { members, turns, retained, .. } = &mut *state;
        if message.retain {
            if message.payload.is_empty() {
                retained.remove(topic.as_str());
            } else {
                retained.insert(topic.as_str().to_owned(), message.clone());
            }
        }
        let mut shared: BTreeMap<String, Vec<(String, QoS)>> = BTreeMap::new();
        for (client_id, member) in members.iter_mut() {
            let mut own: Option<(QoS, bool)> = None;
            for subscription in member.subscriptions.iter().filter(|one| one.filter.matches(topic)) {
                if subscription.filter.group().is_some() {
                    let key = subscription.filter.as_str().to_owned();
                    shared.entry(key).or_default().push((client_id.clone(), subscription.qos));
                } else if !(subscription.no_local && client_id == sender) {
                    // Overlapping subscriptions get one copy, at the highest of their levels.
                    let (qos, as_published) = own.unwrap_or((QoS::AtMostOnce, false));
                    own = Some((
                        higher(qos, subscription.qos),
                        as_published | subscription.retain_as_published,
                    ));
                }
            }
            if let Some((qos, as_published)) = own {
                member.deliver(
                    &self.registry,
                    client_id,
                    topic,
                    message,
                    qos,
                    message.retain && as_published,
                );
            }
        }
        for (share, mut candidates) in shared {
            candidates.sort_by(|one, other| one.0.cmp(&other.0));
            let turn = turns.entry(share).or_default();
            let chosen = candidates.get(*turn % candidates.len().max(1));
            *turn = turn.wrapping_add(1);
            if let Some((client_id, qos)) = chosen
                && let Some(member) = members.get_mut(client_id)
            {
                member.deliver(&self.registry, client_id, topic, message, *qos, false);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Membership {
    /// Adds or replaces a subscription. Returns whether it is a new one, or `None` when there are too many.
    pub(super) fn subscribe(&self, subscription: Subscription) -> Option<bool> {
        let mut state = self.hub.state();
        let member = self.member(&mut state)?;
        let existing = member.subscriptions.iter_mut().find(|one| one.filter == subscription.filter);
        if let Some(existing) = existing {
            *existing = subscription;
            return Some(false);
        }
        if member.subscriptions.len() >= SUBSCRIPTIONS_PER_CONNECTION {
            return None;
        }
        member.subscriptions.push(subscription);
        Some(true)
    }

    /// Removes a subscription. Returns whether there was one.
    pub(super) fn unsubscribe(&self, filter: &str) -> bool {
        let mut state = self.hub.state();
        let Some(member) = self.member(&mut state) else { return false };
        let before = member.subscriptions.len();
        member.subscriptions.retain(|one| one.filter.as_str() != filter);
        member.subscriptions.len() < before
    }

    /// Queues the retained message of a topic for this client.
    pub(super) fn send_retained(&self, topic: &str, qos: QoS) {
        let mut state = self.hub.state();
        let Some(message) = state.retained.get(topic).cloned() else { return };
        let Ok(topic) = TopicName::parse(topic.as_bytes()) else { return };
        let Some(member) = self.member(&mut state) else { return };
        member.deliver(&self.hub.registry, &self.client_id, &topic, &message, qos, true);
    }

    /// This session's own entry, unless a newer session has taken the client id.
    fn member<'a>(&self, state: &'a mut State) -> Option<&'a mut Member> {
        state.members.get_mut(&self.client_id).filter(|member| member.session == self.session)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        if self.member(&mut state).is_some() {
            state.members.remove(&self.client_id);
        }
    }
}

impl Member {
    fn end(&mut self, reason: DisconnectReasonCode) -> bool {
        self.end.take().is_some_and(|end| end.send(reason).is_ok())
    }

    fn deliver(
        &mut self,
        registry: &Registry,
        client_id: &str,
        topic: &TopicName,
        message: &Publish,
        granted: QoS,
        retain: bool,
    ) {
        let decision = registry.authorize(&self.certificate, client_id, Action::Receive, topic.as_str());
        if decision != Decision::Allowed {
            tracing::warn!(
                client_id,
                topic = topic.as_str(),
                ?decision,
                "not delivered: iot:Receive on the topic"
            );
            return;
        }
        let qos = if granted < message.qos { granted } else { message.qos };
        let copy = Publish { qos, retain, dup: false, pkid: 0, ..message.clone() };
        if self.queue.try_send(copy).is_err() {
            tracing::warn!(client_id, "disconnected: {WAITING_MESSAGES} messages wait and it takes none");
            self.end(DisconnectReasonCode::QuotaExceeded);
        }
    }
}

fn higher(one: QoS, other: QoS) -> QoS {
    if one < other { other } else { one }
}
