//! The session with what the application asks of it, whether there is a connection or not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tracing::{info, warn};

use super::Shared;
use crate::client::Outcome;
use crate::clock::{Moment, after};
use crate::session::{Command, Session};
use crate::{Error, Event};

pub(super) struct Engine {
    pub(super) session: Session,
    commands: mpsc::Receiver<Command>,
    pub(super) shared: Arc<Shared>,
    /// How long the end may wait for acknowledgements.
    drain: Duration,
    /// Until when, once the application has asked for the end.
    closing: Option<Instant>,
}

impl Engine {
    pub(super) fn new(
        session: Session,
        commands: mpsc::Receiver<Command>,
        shared: Arc<Shared>,
        drain: Duration,
    ) -> Self {
        Self { session, commands, shared, drain, closing: None }
    }

    /// Hands the application's commands to the session. Returns whether the application has asked for the end: nothing is
    /// accepted from then on.
    pub(super) fn take_commands(&mut self, now: Moment) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            self.session.command(command, now);
        }
        if self.closing.is_none() && self.shared.closing.get().is_some() {
            self.shared.outbox.close();
            self.commands.close();
            self.closing = Some(after(now.instant, self.drain));
        }
        self.closing.is_some()
    }

    /// When the session or the end has something to do next.
    pub(super) fn deadline(&self, now: Moment) -> Option<Instant> {
        self.session.deadline(now).into_iter().chain(self.closing).min()
    }

    /// Whether everything that was accepted is done with.
    pub(super) fn is_drained(&self) -> bool {
        self.session.is_drained() && self.commands.is_empty()
    }

    /// How it ends, once the time for the end is over.
    pub(super) fn overdue(&self, now: Instant) -> Option<Outcome> {
        self.closing.filter(|until| now >= *until)?;
        match self.shared.outbox.depth().0 {
            // Nothing is lost: a subscription was not answered, or a received message not acknowledged, which comes again.
            0 => Some(Ok(())),
            messages => Some(Err(Error::NotDrained { messages, after: self.drain })),
        }
    }

    /// Does what does not need a connection, until the client is at its end. With `waiting`, it also returns (`None`) when
    /// the end is asked for and messages are left: then it is time to connect, and not to wait.
    pub(super) async fn offline(&mut self, waiting: bool) -> Option<Outcome> {
        loop {
            let now = Moment::now();
            if self.take_commands(now) {
                if self.shared.outbox.depth().0 == 0 {
                    return Some(Ok(()));
                }
                if let Some(outcome) = self.overdue(now.instant) {
                    return Some(outcome);
                }
                if waiting {
                    return None;
                }
            }
            let deadline = self.deadline(now);
            tokio::select! {
                () = self.shared.waker.woken() => self.session.woken(),
                () = sleep_until(deadline.unwrap_or(now.instant).into()), if deadline.is_some() => {
                    drop(self.session.timer(Moment::now()));
                }
            }
        }
    }

    /// Tells everybody who waits.
    pub(super) fn finish(&mut self, outcome: &Outcome) {
        let why = outcome.as_ref().err().unwrap_or(&Error::Closed);
        // First of all nothing new is accepted: whoever hears of the end finds it everywhere.
        self.session.complete();
        self.shared.outbox.fail_all(why);
        self.shared.hub.tell(match why {
            Error::Closed => {
                info!("disconnected");
                Event::Closed { undelivered: 0 }
            }
            Error::NotDrained { messages, .. } => {
                warn!(messages, "disconnected, and not everything was acknowledged");
                Event::Closed { undelivered: *messages }
            }
            error => Event::GaveUp { error: error.clone() },
        });
        self.session.fail_all(why);
    }
}
