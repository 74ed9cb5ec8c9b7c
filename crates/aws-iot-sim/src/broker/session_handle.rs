//! A connection's access to its session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mqtt5_protocol::packet::publish::PublishPacket;
use mqtt5_protocol::{QoS, ReasonCode};
use tokio::sync::{Notify, oneshot, watch};

use super::hub::{Hub, State};
use super::session::{Session, Subscription};
use crate::limits::SUBSCRIPTIONS_PER_CONNECTION;

/// A connection's access to its session. When it is dropped, the connection is over for the session.
pub(super) struct SessionHandle {
    pub(super) hub: Arc<Hub>,
    pub(super) client_id: String,
    pub(super) connection: u64,
    /// The session of an earlier connection was found.
    pub(super) session_present: bool,
    /// Notified when a message is queued for this client.
    pub(super) wake: Arc<Notify>,
    /// The number of the session's latest connection; closed when the session ends.
    pub(super) latest: watch::Receiver<u64>,
    /// Resolves when the broker ends this connection, with the reason.
    pub(super) ended: oneshot::Receiver<ReasonCode>,
}

impl SessionHandle {
    /// The next packet for this client, if one may be sent.
    pub(super) fn take(&self) -> Option<PublishPacket> {
        self.session(&mut self.hub.state())?.take(Instant::now())
    }

    /// Takes an acknowledgement. Returns whether a message was waiting for it.
    pub(super) fn acknowledge(&self, id: u16, reason: ReasonCode) -> bool {
        self.session(&mut self.hub.state()).is_some_and(|session| session.acknowledge(id, reason))
    }

    /// Adds or replaces a subscription. Returns whether it is a new one, or `None` when there are too many.
    pub(super) fn subscribe(&self, subscription: Subscription) -> Option<bool> {
        let mut state = self.hub.state();
        let session = self.session(&mut state)?;
        let existing = session.subscriptions.iter_mut().find(|one| one.filter == subscription.filter);
        if let Some(existing) = existing {
            *existing = subscription;
            return Some(false);
        }
        if session.subscriptions.len() >= SUBSCRIPTIONS_PER_CONNECTION {
            return None;
        }
        session.subscriptions.push(subscription);
        Some(true)
    }

    /// Removes a subscription. Returns whether there was one.
    pub(super) fn unsubscribe(&self, filter: &str) -> bool {
        let mut state = self.hub.state();
        let Some(session) = self.session(&mut state) else { return false };
        let before = session.subscriptions.len();
        session.subscriptions.retain(|one| one.filter.as_str() != filter);
        session.subscriptions.len() < before
    }

    /// Changes how long the session is kept after this connection.
    pub(super) fn set_expiry(&self, expiry: Duration) {
        if let Some(session) = self.session(&mut self.hub.state()) {
            session.set_expiry(expiry);
        }
    }

    /// Queues the retained message of a topic for this client.
    pub(super) fn send_retained(&self, topic: &str, qos: QoS) {
        let mut state = self.hub.state();
        let Some(message) = state.retained.get(topic).cloned() else { return };
        let Some(session) = self.session(&mut state) else { return };
        session.deliver(&self.hub.registry, &self.client_id, &message, qos, true);
    }

    /// The session, unless a newer connection has taken it over.
    fn session<'a>(&self, state: &'a mut State) -> Option<&'a mut Session> {
        state.sessions.get_mut(&self.client_id).filter(|session| session.has_connection(self.connection))
    }
}

impl Drop for SessionHandle {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        let Some(session) = self.session(&mut state) else { return };
        if session.is_kept() {
            session.leave(Instant::now());
        } else {
            state.sessions.remove(&self.client_id);
        }
    }
}
