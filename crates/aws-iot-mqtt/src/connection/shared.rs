//! What the application's clients and the session's thread have in common.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::acknowledgement::SessionWaker;
use crate::clock::after;
use crate::event::Hub;
use crate::outbox::Outbox;
use crate::statistics::Counters;
use crate::subscription::Messages;
use crate::{DisconnectReason, Limits, OutboxOptions};

/// What the application's clients and the session's thread have in common.
pub(crate) struct Shared {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) waker: Arc<SessionWaker>,
    /// The application's end of the stream of messages without a subscription of their own, until it is taken.
    pub(crate) messages: Mutex<Option<Messages>>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) limits: Arc<Limits>,
}

impl Shared {
    pub(crate) fn new(
        outbox: OutboxOptions,
        limits: Arc<Limits>,
        waker: Arc<SessionWaker>,
        messages: Messages,
    ) -> Self {
        let (hub, counters) = (Arc::<Hub>::default(), Arc::<Counters>::default());
        let outbox = Arc::new(Outbox::new(outbox, Arc::clone(&hub), Arc::clone(&counters)));
        Self { outbox, waker, messages: Mutex::new(Some(messages)), hub, counters, limits }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Whether the client is to end, and until when that may take.
pub(super) struct Closing {
    asked: watch::Receiver<Option<DisconnectReason>>,
    /// How long to wait for acknowledgements.
    drain: Duration,
    begun: Option<(DisconnectReason, Instant)>,
}

impl Closing {
    pub(super) fn new(asked: watch::Receiver<Option<DisconnectReason>>, drain: Duration) -> Self {
        Self { asked, drain, begun: None }
    }

    /// Returns once, when the application asks for the end, or when nobody has a client any more.
    pub(super) async fn asked(&mut self) {
        if self.begun.is_some() {
            std::future::pending::<()>().await;
        }
        let asked = self.asked.wait_for(Option::is_some).await;
        // An error: the last client was dropped.
        let reason = asked.map_or(DisconnectReason::Normal, |asked| asked.unwrap_or_default());
        let now = tokio::time::Instant::now().into_std();
        self.begun = Some((reason, after(now, self.drain)));
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    pub(super) fn until(&self) -> Option<Instant> {
        self.begun.map(|(_, until)| until)
    }

    /// The bound, once it is over.
    pub(super) fn overdue(&self, now: Instant) -> Option<Duration> {
        self.begun.filter(|(_, until)| now >= *until).map(|_| self.drain)
    }

    pub(super) fn reason(&self) -> DisconnectReason {
        self.begun.map_or(DisconnectReason::Normal, |(reason, _)| reason)
    }
}
