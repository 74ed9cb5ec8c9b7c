//! The session with what the application asks of it, and one connection after the other for as long as there is a client.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, sleep_until};
use tracing::{info, warn};

use super::driver::Driver;
use super::{Attempt, Established, died, establish};
use crate::client::Outcome;
use crate::clock::{Moment, after};
use crate::codec::ProtocolError;
use crate::reconnect::{Backoff, Ended};
use crate::session::{Command, Session};
use crate::{Builder, Error, Event, Verdict};

/// The longest pause between attempts while the client is to end and messages are left: the time for it is short.
const PAUSE_WHILE_CLOSING: Duration = Duration::from_secs(1);

pub(super) struct Supervisor<'a> {
    pub(super) settings: &'a Builder,
    pub(super) engine: Engine,
    /// Who waits for the first connection; the client ends if there is none in time.
    pub(super) first: Option<oneshot::Sender<()>>,
}

impl Supervisor<'_> {
    /// Runs until the application ends it, or until it makes no sense to try again.
    pub(super) async fn run(&mut self) -> Outcome {
        let settings = self.settings;
        let mut backoff = Backoff::new(settings.reconnect);
        let mut attempt = Attempt { first: true, ignore_session_present: false };
        let begun = Instant::now();
        loop {
            let started = Instant::now();
            let established = tokio::select! {
                established = establish(settings, attempt) => established,
                Some(outcome) = self.engine.offline(false) => return outcome,
            };
            let (error, ended) = match established {
                Ok(established) => {
                    attempt.first = false;
                    match self.drive(established).await {
                        Ok(outcome) => return outcome,
                        Err(lost) => lost,
                    }
                }
                Err(error) => {
                    self.engine.session.shared.counters.lock().failed_attempts += 1;
                    (error, Ended::NotConnected)
                }
            };
            let session_present = ProtocolError::of(&error) == Some(&ProtocolError::SESSION_PRESENT);
            attempt.ignore_session_present |= session_present;
            let connected = matches!(ended, Ended::Connected { .. });
            self.engine.session.shared.counters.lock().last_error = Some(error.clone());
            let random = RandomState::new().hash_one(());
            let closing = self.engine.take_commands(Moment::now());
            let fault = error.fault(settings.classify_signer_error);
            let most = if closing { PAUSE_WHILE_CLOSING } else { Duration::MAX };
            // From the end of a connection that stood: AWS's Device Advisor fails a device that is back within a second
            // (MQTT_ReconnectionAfterSuccessfulConnection). From the beginning of an attempt otherwise.
            let gone = if connected { Duration::ZERO } else { started.elapsed() };
            let least = settings.limits.connect_interval.saturating_sub(gone);
            let delay =
                backoff.next(fault, ended, Instant::now(), random).map(|delay| delay.min(most).max(least));
            let in_time = |delay| begun.elapsed() + delay < settings.connect_deadline;
            let goes_on = session_present || may_pass(&error);
            let delay = delay.filter(|delay| self.first.is_none() || (goes_on && in_time(*delay)));
            // Who waits for the first connection is told by `connect`.
            if self.first.is_none() || delay.is_some() {
                let (error, retry_in) = (error.clone(), delay);
                let event = match connected {
                    true => Event::Disconnected { error, retry_in },
                    false => Event::ConnectFailed { error, retry_in },
                };
                warn!("{event}");
                self.engine.session.shared.hub.tell(event);
            }
            let Some(delay) = delay else { return Err(error) };
            tokio::select! {
                () = sleep(delay) => {}
                outcome = self.engine.offline(!closing) => if let Some(outcome) = outcome { return outcome },
            }
        }
    }

    /// Runs one connection. An error where it was lost.
    async fn drive(&mut self, established: Established) -> Result<Outcome, (Error, Ended)> {
        let Established { stream, negotiated, received } = established;
        let engine = &mut self.engine;
        // What was asked for meanwhile comes first: a kept session's messages may come right behind CONNACK, and need
        // their subscriptions.
        engine.take_commands(Moment::now());
        let since = Instant::now();
        engine.session.connected(negotiated, Moment::now());
        if let Some(first) = self.first.take() {
            // Where nobody waits for it any more, the client is gone as well, and the driver disconnects at once.
            let _ = first.send(());
        }
        let driver = Driver { stream, received, engine, server: self.settings.server() };
        driver.run().await.map_err(|error| {
            let session = &mut self.engine.session;
            let ended = Ended::Connected { up: since.elapsed(), answered: session.was_answered() };
            session.disconnected(&error, Moment::now());
            (error, ended)
        })
    }
}

/// Whether [`Builder::connect`](crate::Builder::connect) tries again: nobody has to change anything first.
fn may_pass(error: &Error) -> bool {
    let is_final = matches!(error, Error::Protocol { .. } | Error::Clock { .. } | Error::Signer { .. });
    error.verdict() == Verdict::Transient && !is_final
}

/// The session with what the application asks of it, whether there is a connection or not.
pub(super) struct Engine {
    pub(super) session: Session,
    pub(super) commands: mpsc::Receiver<Command>,
    /// How long the end may wait for acknowledgements.
    pub(super) drain: Duration,
    /// Until when, once the application has asked for the end.
    pub(super) closing: Option<Instant>,
}

impl Engine {
    /// Hands the application's commands to the session. Returns whether the application has asked for the end: nothing is
    /// accepted from then on.
    pub(super) fn take_commands(&mut self, now: Moment) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            self.session.command(command, now);
        }
        if self.closing.is_none() && self.session.shared.closing.get().is_some() {
            self.session.shared.outbox.close();
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
        match self.session.shared.outbox.depth().0 {
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
                if self.session.shared.outbox.depth().0 == 0 {
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
                () = self.session.shared.waker.notified() => self.session.woken(),
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
        self.session.shared.outbox.fail_all(why);
        self.session.shared.hub.tell(match why {
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
    }
}

impl Drop for Engine {
    /// Should the thread die, nobody waits in vain. The ordinary end has left nothing to do.
    fn drop(&mut self) {
        if thread::panicking() {
            let error = died();
            self.session.shared.outbox.fail_all(&error);
            self.session.shared.hub.tell(Event::GaveUp { error });
        }
    }
}
