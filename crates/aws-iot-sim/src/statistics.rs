//! What the broker has done so far, for tests that want to know.

use crate::broker::Counters;

/// Numbers that only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// TLS handshakes that failed, for any reason; counted just after the alert was sent.
    pub handshakes_refused: u64,
    /// CONNECT packets, whatever the answer, also those that a fault left without one.
    pub connects_received: u64,
    /// CONNECT packets that were accepted.
    pub connects_accepted: u64,
    /// CONNECT packets that were refused.
    pub connects_refused: u64,
    /// PUBLISH packets from clients, the refused ones too.
    pub publishes_received: u64,
    /// PUBLISH packets to clients.
    pub publishes_delivered: u64,
}

impl Statistics {
    pub(crate) fn of(counters: &Counters) -> Self {
        Self {
            handshakes_refused: counters.handshakes_refused.get(),
            connects_received: counters.connects_received.get(),
            connects_accepted: counters.connects_accepted.get(),
            connects_refused: counters.connects_refused.get(),
            publishes_received: counters.publishes_received.get(),
            publishes_delivered: counters.publishes_delivered.get(),
        }
    }
}
