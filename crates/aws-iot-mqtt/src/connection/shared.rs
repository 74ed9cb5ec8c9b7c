//! What the application's clients and the session's thread have in common.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::clock::after;
use crate::event::Hub;
use crate::outbox::Outbox;
use crate::statistics::Counters;
use crate::subscription::Messages;
use crate::{DisconnectReason, Limits, OutboxOptions};

/// What the application's clients and the session's thread have in common.
pub(crate) struct Shared {
    pub(crate) outbox: Arc<Outbox>,
    /// Wakes the session: there is a command, a message to publish, an acknowledgement, or a stream that was dropped.
    pub(crate) waker: Arc<Notify>,
    /// The application's end of the stream of messages without a subscription of their own, until it is taken.
    pub(crate) messages: Mutex<Option<Messages>>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) limits: Arc<Limits>,
    /// The application wants the client to end.
    closing: OnceLock<DisconnectReason>,
}

/// Ends the client when the last one is dropped.
#[derive(Debug)]
pub(crate) struct CloseOnDrop(pub(crate) Arc<Shared>);

impl Shared {
    pub(crate) fn new(
        outbox: OutboxOptions,
        limits: Arc<Limits>,
        waker: Arc<Notify>,
        messages: Messages,
    ) -> Self {
        let (hub, counters) = (Arc::<Hub>::default(), Arc::<Counters>::default());
        let outbox = Outbox::new(outbox, Arc::clone(&waker), Arc::clone(&hub), Arc::clone(&counters));
        let (outbox, messages) = (Arc::new(outbox), Mutex::new(Some(messages)));
        Self { outbox, waker, messages, hub, counters, limits, closing: OnceLock::new() }
    }

    /// Asks for the client's end. Of several calls, the first one's reason counts.
    pub(crate) fn close(&self, reason: DisconnectReason) {
        self.closing.get_or_init(|| reason);
        self.waker.notify_one();
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close(DisconnectReason::Normal);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Whether the client is to end, and until when that may take.
pub(super) struct Closing {
    shared: Arc<Shared>,
    /// How long to wait for acknowledgements.
    drain: Duration,
    until: Option<Instant>,
}

impl Closing {
    pub(super) fn new(shared: Arc<Shared>, drain: Duration) -> Self {
        Self { shared, drain, until: None }
    }

    /// Until when the end may take, once the application has asked for it. No message is accepted from then on.
    pub(super) fn until(&mut self, now: Instant) -> Option<Instant> {
        if self.until.is_none() && self.shared.closing.get().is_some() {
            self.shared.outbox.close();
            self.until = Some(after(now, self.drain));
        }
        self.until
    }

    /// The bound, once it is over.
    pub(super) fn overdue(&self, now: Instant) -> Option<Duration> {
        self.until.filter(|until| now >= *until).map(|_| self.drain)
    }

    pub(super) fn reason(&self) -> DisconnectReason {
        self.shared.closing.get().copied().unwrap_or_default()
    }
}
