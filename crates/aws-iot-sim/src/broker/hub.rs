//! Where messages meet subscriptions: who is connected, who wants what, and which messages are retained.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode, Publish};
use tokio::sync::{Notify, oneshot};

use super::connect::Accepted;
use super::member::{Connection, Member};
use super::membership::Membership;
use super::topic::TopicName;
use crate::registry::{CertificateId, Registry};

/// The meeting point of all sessions.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(super) registry: Arc<Registry>,
    // One lock: routing is short, and nobody is waited for.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The sessions, connected or kept, by client id.
    pub(super) members: HashMap<String, Member>,
    pub(super) retained: BTreeMap<String, Publish>,
    /// The next turn in each shared subscription.
    turns: HashMap<String, usize>,
    last_connection: u64,
}

impl Hub {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, state: Mutex::default() }
    }

    /// The client ids that are connected now.
    pub(crate) fn client_ids(&self) -> Vec<String> {
        let state = self.state();
        let connected = state.members.iter().filter(|(_, member)| member.is_connected());
        let mut ids: Vec<String> = connected.map(|(id, _)| id.clone()).collect();
        ids.sort();
        ids
    }

    /// Ends the connection of a client, as an operator of the broker would. Returns whether it was connected.
    pub(crate) fn end(&self, client_id: &str, reason: DisconnectReasonCode) -> bool {
        self.state().members.get_mut(client_id).is_some_and(|member| member.end(reason))
    }

    /// Ends the connections that were made with a certificate.
    pub(crate) fn disconnect_certificate(&self, certificate: &CertificateId) {
        for member in self.state().members.values_mut().filter(|member| member.uses(certificate)) {
            member.end(DisconnectReasonCode::AdministrativeAction);
        }
    }

    /// Forgets the session of a client that is away. Returns whether there was one.
    pub(crate) fn forget(&self, client_id: &str) -> bool {
        let mut state = self.state();
        let away = state.members.get(client_id).is_some_and(|member| !member.is_connected());
        away && state.members.remove(client_id).is_some()
    }

    /// Takes a place for a client; an older connection with the same id has to go.
    pub(super) fn join(
        self: &Arc<Self>,
        client: &Accepted,
        certificate: &CertificateId,
        now: Instant,
    ) -> Membership {
        let (end, ended) = oneshot::channel();
        let bell = Arc::<Notify>::default();
        let mut state = self.state();
        state.forget_expired(now);
        state.last_connection += 1;
        let number = state.last_connection;
        let connection = Connection {
            number,
            packet_maximum: client.packet_maximum,
            bell: Arc::clone(&bell),
            end: Some(end),
        };
        let client_id = client.client_id.clone();
        let found =
            state.members.get_mut(&client_id).filter(|member| member.is_kept() && !client.clean_start);
        let session_present = found.is_some();
        match found {
            Some(member) => member.resume(client, certificate, connection),
            None => {
                let member = Member::new(client, certificate, connection);
                if let Some(mut older) = state.members.insert(client_id.clone(), member) {
                    older.end(DisconnectReasonCode::SessionTakenOver);
                }
            }
        }
        drop(state);
        Membership { hub: Arc::clone(self), client_id, connection: number, session_present, bell, ended }
    }

    /// Delivers a message to everybody who subscribed to its topic and may receive it.
    pub(super) fn route(&self, sender: &str, topic: &TopicName, message: &Publish, now: Instant) {
        let mut state = self.state();
        state.forget_expired(now);
        let State { members, turns, retained, .. } = &mut *state;
        if message.retain {
            if message.payload.is_empty() {
                retained.remove(topic.as_str());
            } else {
                retained.insert(topic.as_str().to_owned(), message.clone());
            }
        }
        let mut shared: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
        for (client_id, member) in members.iter_mut() {
            let mut own: Option<(QoS, bool)> = None;
            for subscription in member.subscriptions.iter().filter(|one| one.filter.matches(topic)) {
                if subscription.filter.group().is_some() {
                    let key = subscription.filter.as_str().to_owned();
                    shared.entry(key).or_default().push(Candidate {
                        away: !member.is_connected(),
                        client_id: client_id.clone(),
                        qos: subscription.qos,
                    });
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
            // Somebody who is away gets it only where nobody is there.
            let nobody_there = candidates.iter().all(|one| one.away);
            candidates.retain(|one| one.away == nobody_there);
            candidates.sort_by(|one, other| one.client_id.cmp(&other.client_id));
            let turn = turns.entry(share).or_default();
            let chosen = candidates.get(*turn % candidates.len().max(1));
            *turn = turn.wrapping_add(1);
            if let Some(Candidate { client_id, qos, .. }) = chosen
                && let Some(member) = members.get_mut(client_id)
            {
                member.deliver(&self.registry, client_id, topic, message, *qos, false);
            }
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_expired(&mut self, now: Instant) {
        self.members.retain(|_, member| !member.is_expired(now));
    }
}

/// Who may get a message of a shared subscription.
struct Candidate {
    away: bool,
    client_id: String,
    qos: QoS,
}

fn higher(one: QoS, other: QoS) -> QoS {
    if one < other { other } else { one }
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
}
