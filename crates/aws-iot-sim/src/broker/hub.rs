//! All sessions and all retained messages, and the routing of a message to its subscribers.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mqtt5_protocol::{QoS, ReasonCode};
use tokio::sync::{Notify, oneshot};

use super::message::{Message, higher};
use super::negotiation::Accepted;
use super::received::Received;
use super::session::{ActiveConnection, Session};
use super::session_handle::SessionHandle;
use crate::limits::CONNECT_INTERVAL;
use crate::registry::{CertificateId, Registry};

/// The sessions and the retained messages of the broker.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(super) registry: Arc<Registry>,
    // One lock for everything: routing is short and does not wait for anything.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The sessions, connected or kept, by client id.
    pub(super) sessions: HashMap<String, Session>,
    pub(super) retained: BTreeMap<String, Message>,
    /// The next turn in each shared subscription.
    turns: HashMap<String, usize>,
    /// What clients have published.
    pub(super) received: VecDeque<Received>,
    /// When each client id was last seen in a CONNECT.
    last_connects: HashMap<String, Instant>,
    last_connection: u64,
    /// Why the last connection of each client id ended, in AWS's words.
    disconnect_reasons: HashMap<String, &'static str>,
}

impl Hub {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, state: Mutex::default() }
    }

    /// The client ids that are connected now.
    pub(crate) fn client_ids(&self) -> Vec<String> {
        let state = self.state();
        let connected = state.sessions.iter().filter(|(_, session)| session.is_connected());
        let mut ids: Vec<String> = connected.map(|(id, _)| id.clone()).collect();
        ids.sort();
        ids
    }

    /// Whether a client is connected: `Some(None)`; or why it was disconnected last. `None`: it has not connected.
    pub(crate) fn connection(&self, client_id: &str) -> Option<Option<&'static str>> {
        let state = self.state();
        if state.sessions.get(client_id).is_some_and(Session::is_connected) {
            return Some(None);
        }
        state.disconnect_reasons.get(client_id).map(|reason| Some(*reason))
    }

    /// Notes why a connection ended.
    pub(super) fn note_disconnect(&self, client_id: &str, reason: &'static str) {
        self.state().disconnect_reasons.insert(client_id.to_owned(), reason);
    }

    /// Ends the connection of a client, as an operator of the broker would. Returns whether it was connected.
    pub(crate) fn end(&self, client_id: &str, reason: ReasonCode) -> bool {
        self.state().sessions.get_mut(client_id).is_some_and(|session| session.end(reason))
    }

    /// Ends the connections that were made with a certificate.
    pub(crate) fn disconnect_certificate(&self, certificate: &CertificateId) {
        for session in self.state().sessions.values_mut().filter(|session| session.uses(certificate)) {
            session.end(ReasonCode::AdministrativeAction);
        }
    }

    /// Forgets the session of a client that is away. Returns whether there was one.
    pub(crate) fn forget(&self, client_id: &str) -> bool {
        let mut state = self.state();
        let away = state.sessions.get(client_id).is_some_and(|session| !session.is_connected());
        away && state.sessions.remove(client_id).is_some()
    }

    /// Notes a CONNECT. Returns whether the client id sent another one less than a second before.
    pub(super) fn connects_too_fast(&self, client_id: &str, now: Instant) -> bool {
        let mut state = self.state();
        let recent = |last: &Instant| now.saturating_duration_since(*last) < CONNECT_INTERVAL;
        state.last_connects.retain(|_, last| recent(last));
        state.last_connects.insert(client_id.to_owned(), now).is_some()
    }

    /// Gives a client its session: a new one, or the one that it has kept. An older connection with the same client id is
    /// ended.
    pub(super) fn join(
        self: &Arc<Self>,
        client: &Accepted,
        certificate: &CertificateId,
        now: Instant,
    ) -> SessionHandle {
        let (end, ended) = oneshot::channel();
        let wake = Arc::<Notify>::default();
        let mut state = self.state();
        state.forget_expired(now);
        state.last_connection += 1;
        let number = state.last_connection;
        let connection = ActiveConnection {
            number,
            packet_maximum: client.packet_maximum,
            wake: Arc::clone(&wake),
            end: Some(end),
        };
        let client_id = client.client_id.clone();
        let found =
            state.sessions.get_mut(&client_id).filter(|session| session.is_kept() && !client.clean_start);
        let session_present = found.is_some();
        let latest = match found {
            Some(session) => {
                session.resume(client, certificate, connection);
                session.latest.subscribe()
            }
            None => {
                let session = Session::new(client, certificate, connection);
                let latest = session.latest.subscribe();
                if let Some(mut older) = state.sessions.insert(client_id.clone(), session) {
                    older.end(ReasonCode::SessionTakenOver);
                }
                latest
            }
        };
        drop(state);
        SessionHandle {
            hub: Arc::clone(self),
            client_id,
            connection: number,
            session_present,
            wake,
            latest,
            ended,
        }
    }

    /// Delivers a message to everybody who subscribed to its topic and may receive it.
    ///
    /// `sender` is the client id, or `None` for the cloud side.
    pub(super) fn route(&self, sender: Option<&str>, message: &Message, now: Instant) {
        let mut state = self.state();
        state.forget_expired(now);
        let topic = &message.topic;
        let State { sessions, turns, retained, .. } = &mut *state;
        if message.retain {
            if message.payload.is_empty() {
                retained.remove(topic.as_str());
            } else {
                retained.insert(topic.as_str().to_owned(), message.clone());
            }
        }
        let mut shared: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
        for (client_id, session) in sessions.iter_mut() {
            let mut own: Option<(QoS, bool)> = None;
            for subscription in session.subscriptions.iter().filter(|one| one.filter.matches(topic)) {
                if subscription.filter.group().is_some() {
                    let key = subscription.filter.as_str().to_owned();
                    shared.entry(key).or_default().push(Candidate {
                        away: !session.is_connected(),
                        client_id: client_id.clone(),
                        qos: subscription.qos,
                    });
                } else if !(subscription.no_local && Some(client_id.as_str()) == sender) {
                    // Overlapping subscriptions get one copy, at the highest of their levels.
                    let (qos, as_published) = own.unwrap_or((QoS::AtMostOnce, false));
                    own = Some((
                        higher(qos, subscription.qos),
                        as_published | subscription.retain_as_published,
                    ));
                }
            }
            if let Some((qos, as_published)) = own {
                session.deliver(&self.registry, client_id, message, qos, message.retain && as_published);
            }
        }
        for (share, mut candidates) in shared {
            // A client that is not connected gets it only when no client of the group is connected.
            let nobody_there = candidates.iter().all(|one| one.away);
            candidates.retain(|one| one.away == nobody_there);
            candidates.sort_by(|one, other| one.client_id.cmp(&other.client_id));
            let turn = turns.entry(share).or_default();
            let chosen = candidates.get(*turn % candidates.len().max(1));
            *turn = turn.wrapping_add(1);
            if let Some(Candidate { client_id, qos, .. }) = chosen
                && let Some(session) = sessions.get_mut(client_id)
            {
                session.deliver(&self.registry, client_id, message, *qos, false);
            }
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_expired(&mut self, now: Instant) {
        self.sessions.retain(|_, session| !session.is_expired(now));
        self.retained.retain(|_, message| !message.is_expired(now));
    }
}

/// Who may get a message of a shared subscription.
struct Candidate {
    away: bool,
    client_id: String,
    qos: QoS,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::registry::certificate_id;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_session_is_kept_until_its_expiry_and_no_longer() {
        for (waited, kept) in [(HOUR / 2, true), (HOUR * 2, false)] {
            let hub = Arc::new(Hub::new(Arc::default()));
            let client = Accepted::of("d", false, HOUR);
            let certificate = certificate_id(b"a certificate");
            let now = Instant::now();
            assert!(!hub.join(&client, &certificate, now).session_present);
            assert_eq!(hub.join(&client, &certificate, now + waited).session_present, kept, "{waited:?}");
        }
    }

    #[test]
    fn a_client_id_connects_once_a_second() {
        let hub = Hub::new(Arc::default());
        let start = Instant::now();
        let connects =
            [("a", 0, false), ("b", 100, false), ("a", 900, true), ("a", 1800, true), ("a", 2900, false)];
        for (client_id, milliseconds, too_fast) in connects {
            let now = start + Duration::from_millis(milliseconds);
            assert_eq!(hub.connects_too_fast(client_id, now), too_fast, "{client_id} at {milliseconds} ms");
        }
    }
}
