//! What the application's clients and the session's thread have in common.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::event::Hub;
use crate::outbox::Outbox;
use crate::queue::Queue;
use crate::session::{Left, Session};
use crate::statistics::Counters;
use crate::{DisconnectReason, Limits};

/// What the application's clients and the session's thread have in common.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) hub: Arc<Hub>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) limits: Arc<Limits>,
}

impl Shared {
    pub(super) fn new(outbox: Outbox, limits: Arc<Limits>) -> Self {
        let (hub, counters) = (Arc::<Hub>::default(), Arc::<Counters>::default());
        let queue = Queue::new(outbox, Arc::clone(&hub), Arc::clone(&counters));
        Self { queue, hub, counters, limits }
    }

    /// Gives the outbox its room back for messages that are done with, and then tells those who wait. Returns whether
    /// there were any.
    pub(super) fn settle(&self, session: &mut Session) -> bool {
        let Some(Left { messages, bytes, answers }) = session.left() else { return false };
        self.queue.left(messages, bytes);
        for (answer, result) in answers {
            // Whoever asked may have stopped waiting for the answer.
            let _ = answer.send(result);
        }
        true
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
        let now = Instant::now();
        // A bound that is beyond all clocks is as good as a year.
        let until = now.checked_add(self.drain).unwrap_or(now + Duration::from_secs(365 * 86_400));
        self.begun = Some((reason, until));
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
