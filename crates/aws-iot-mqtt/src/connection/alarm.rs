//! A timer that is set over and over.

use std::future::pending;
use std::pin::Pin;
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// Rings at the deadline or earlier, but never later. The deadline of a busy connection moves on with every packet, and
/// setting a timer costs more than a packet does: so it is set anew only where it would ring too late.
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    set_to: Option<Instant>,
}

impl Alarm {
    pub(super) fn new() -> Self {
        Self { sleep: None, set_to: None }
    }

    pub(super) fn not_later_than(&mut self, deadline: Option<Instant>) {
        let Some(deadline) = deadline.filter(|deadline| self.set_to.is_none_or(|set_to| *deadline < set_to))
        else {
            return;
        };
        self.set_to = Some(deadline);
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(deadline.into()),
            None => self.sleep = Some(Box::pin(sleep_until(deadline.into()))),
        }
    }

    /// Whoever hears it asks what is due, which may be nothing yet.
    pub(super) async fn rings(&mut self) {
        match &mut self.sleep {
            Some(sleep) if self.set_to.is_some() => {
                sleep.await;
                self.set_to = None;
            }
            _ => pending().await,
        }
    }
}
