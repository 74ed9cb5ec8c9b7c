//! A connection's place in the hub.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mqtt5_protocol::packet::publish::PublishPacket;
use mqtt5_protocol::{QoS, ReasonCode};
use tokio::sync::{Notify, oneshot};

use super::hub::{Hub, State};
use super::member::{Member, Subscription};
use crate::limits::SUBSCRIPTIONS_PER_CONNECTION;

/// A connection's place in the hub; dropping it gives the place up.
pub(super) struct Membership {
    pub(super) hub: Arc<Hub>,
    pub(super) client_id: String,
    pub(super) connection: u64,
    /// The session of an earlier connection was found.
    pub(super) session_present: bool,
    /// Rung when a message comes.
    pub(super) bell: Arc<Notify>,
    /// Resolves when the broker ends this connection, with the reason.
    pub(super) ended: oneshot::Receiver<ReasonCode>,
}

impl Membership {
    /// The next packet for this client, if one may be sent.
    pub(super) fn take(&self) -> Option<PublishPacket> {
        self.member(&mut self.hub.state())?.take(Instant::now())
    }

    /// Takes an acknowledgement. Returns whether a message was waiting for it.
    pub(super) fn acknowledge(&self, id: u16) -> bool {
        self.member(&mut self.hub.state()).is_some_and(|member| member.acknowledge(id))
    }

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

    /// Changes how long the session is kept after this connection.
    pub(super) fn set_expiry(&self, expiry: Duration) {
        if let Some(member) = self.member(&mut self.hub.state()) {
            member.set_expiry(expiry);
        }
    }

    /// Queues the retained message of a topic for this client.
    pub(super) fn send_retained(&self, topic: &str, qos: QoS) {
        let mut state = self.hub.state();
        let Some(message) = state.retained.get(topic).cloned() else { return };
        let Some(member) = self.member(&mut state) else { return };
        member.deliver(&self.hub.registry, &self.client_id, &message, qos, true);
    }

    /// This connection's own entry, unless a newer one has taken the client id.
    fn member<'a>(&self, state: &'a mut State) -> Option<&'a mut Member> {
        state.members.get_mut(&self.client_id).filter(|member| member.has_connection(self.connection))
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        let Some(member) = self.member(&mut state) else { return };
        if member.is_kept() {
            member.leave(self.connection, Instant::now());
        } else {
            state.members.remove(&self.client_id);
        }
    }
}
