//! One connection after the other, for as long as there is a client.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tracing::{info, warn};

use super::driver::{Driver, Ended};
use super::shared::{Closing, Shared};
use super::{Attempt, Established, establish, until};
use crate::client::Outcome;
use crate::clock::Moment;
use crate::codec::ProtocolError;
use crate::reconnect::{Backoff, Ended as How, Next};
use crate::session::{Command, Session};
use crate::{Builder, Error, Event, Verdict};

/// The longest pause between attempts while the client is to end and messages are left: the time for it is short.
const PAUSE_WHILE_CLOSING: Duration = Duration::from_secs(1);

pub(super) struct Supervisor<'a> {
    pub(super) settings: &'a Builder,
    pub(super) shared: &'a Shared,
    pub(super) session: Session,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) closing: Closing,
    /// Where the result of the first connection is sent to, if the client ends without one.
    pub(super) first: Option<oneshot::Sender<Result<(), Error>>>,
}

/// A connection or an attempt that failed.
struct Failed {
    error: Error,
    how: How,
}

impl Supervisor<'_> {
    /// Runs until the application ends it, or until it makes no sense to try again.
    pub(super) async fn run(&mut self) -> Outcome {
        let (settings, shared) = (self.settings, self.shared);
        let mut backoff = Backoff::new(settings.reconnect);
        let mut attempt = Attempt { first: true, ignore_session_present: false };
        let begun = Instant::now();
        loop {
            let started = Instant::now();
            let established = tokio::select! {
                established = establish(settings, attempt) => established,
                outcome = self.end_while_offline() => return outcome,
            };
            let failed = match established {
                Ok(established) => {
                    attempt.first = false;
                    match self.drive(established).await {
                        Ok(outcome) => return outcome,
                        Err(failed) => failed,
                    }
                }
                Err(error) => {
                    shared.counters.failed_attempts.add(1);
                    Failed { error, how: How::NotConnected }
                }
            };
            let Failed { error, how } = failed;
            let session_present = ProtocolError::of(&error) == Some(&ProtocolError::SESSION_PRESENT);
            attempt.ignore_session_present |= session_present;
            let connected = matches!(how, How::Connected { .. });
            shared.counters.failed(&error);
            let fault = settings.classifier.fault(&error);
            let random = RandomState::new().hash_one(());
            let closing = self.closing.until(Moment::now().instant).is_some();
            let delay = match backoff.next(fault, how, Instant::now(), random) {
                Next::Retry { delay, slowly } => {
                    if slowly {
                        warn!(
                            ?delay,
                            "refused for minutes: the next attempt follows after the long interval"
                        );
                    }
                    let most = if closing { PAUSE_WHILE_CLOSING } else { Duration::MAX };
                    // From the end of a connection that stood: AWS's Device Advisor fails a device that is back within a
                    // second (MQTT_ReconnectionAfterSuccessfulConnection). From the beginning of an attempt otherwise.
                    let gone = if connected { Duration::ZERO } else { started.elapsed() };
                    let least = settings.limits.connect_interval.saturating_sub(gone);
                    Some(delay.min(most).max(least))
                }
                Next::GiveUp => None,
            };
            if let Some(delay) = delay
                && self.first.is_some()
                && !(may_pass(&error, session_present) && begun.elapsed() + delay < settings.connect_deadline)
                && let Some(first) = self.first.take()
            {
                let _ = first.send(Err(error.clone()));
                return Err(error);
            }
            self.report(&error, connected, delay);
            let Some(delay) = delay else {
                if let Some(first) = self.first.take() {
                    let _ = first.send(Err(error.clone()));
                }
                return Err(error);
            };
            tokio::select! {
                () = sleep(delay) => {}
                outcome = self.offline(!closing) => if let Some(outcome) = outcome { return outcome },
            }
        }
    }

    /// Runs one connection. An error where it was lost.
    async fn drive(&mut self, established: Established) -> Result<Outcome, Failed> {
        let Established { stream, negotiated, received } = established;
        // What was asked for meanwhile comes first: a kept session's messages may come right behind CONNACK, and need
        // their subscriptions.
        while let Ok(command) = self.commands.try_recv() {
            self.session.command(command, Moment::now());
        }
        let since = Instant::now();
        self.session.connected(negotiated, Moment::now());
        if let Some(first) = self.first.take() {
            // Where nobody waits for it any more, the client is gone as well, and the driver disconnects at once.
            let _ = first.send(Ok(()));
        }
        let server = self.settings.server();
        let Self { shared, session, commands, closing, .. } = self;
        let driver = Driver { stream, received, session, commands, closing, shared, server };
        match driver.run().await {
            Ended::Closed(outcome) => Ok(outcome),
            Ended::Lost(error) => {
                let answered = self.session.was_answered();
                self.session.disconnected(&error, Moment::now());
                Err(Failed { error, how: How::Connected { up: since.elapsed(), answered } })
            }
        }
    }

    /// While there is no connection: does what does not need one, and returns when the client is at its end.
    async fn end_while_offline(&mut self) -> Outcome {
        loop {
            if let Some(outcome) = self.offline(false).await {
                return outcome;
            }
        }
    }

    /// The same; with `waiting`, it also returns (`None`) when the end is asked for and messages are left: then it is time
    /// to connect, and not to wait.
    async fn offline(&mut self, waiting: bool) -> Option<Outcome> {
        loop {
            let now = Moment::now();
            while let Ok(command) = self.commands.try_recv() {
                self.session.command(command, now);
            }
            let closing = self.closing.until(now.instant);
            if closing.is_some() {
                self.commands.close();
                let messages = self.shared.outbox.depth().0;
                if messages == 0 {
                    return Some(Ok(()));
                }
                if let Some(after) = self.closing.overdue(now.instant) {
                    return Some(Err(Error::NotDrained { messages, after }));
                }
                if waiting {
                    return None;
                }
            }
            let deadline = self.session.deadline(now).into_iter().chain(closing).min();
            tokio::select! {
                () = self.shared.waker.notified() => self.session.woken(),
                () = until(deadline) => drop(self.session.timer(Moment::now())),
            }
        }
    }

    fn report(&self, error: &Error, connected: bool, retry_in: Option<Duration>) {
        let words = error.report();
        match (connected, retry_in) {
            (true, Some(delay)) => warn!(error = %words, ?delay, "the connection has ended; trying again"),
            (false, Some(delay)) => warn!(error = %words, ?delay, "no connection; trying again"),
            (true, None) => warn!(error = %words, "the connection has ended"),
            (false, None) => warn!(error = %words, "no connection"),
        }
        let error = error.clone();
        self.shared.hub.tell(match connected {
            true => Event::Disconnected { error, retry_in },
            false => Event::ConnectFailed { error, retry_in },
        });
    }

    /// Tells everybody who waits.
    pub(super) fn finish(&mut self, outcome: &Outcome) {
        let why = match outcome {
            Ok(()) => &Error::Closed,
            Err(error) => error,
        };
        // First of all nothing new is accepted: whoever hears of the end finds it everywhere.
        self.shared.outbox.fail_all(why);
        self.shared.hub.tell(match outcome {
            Ok(()) => {
                info!("disconnected");
                Event::Closed { undelivered: 0 }
            }
            Err(Error::NotDrained { messages, .. }) => {
                warn!(messages, "disconnected, and not everything was acknowledged");
                Event::Closed { undelivered: *messages }
            }
            Err(error) => Event::GaveUp { error: error.clone() },
        });
    }
}

/// Whether [`Builder::connect`](crate::Builder::connect) tries again: nobody has to change anything first.
fn may_pass(error: &Error, session_present: bool) -> bool {
    let is_final = matches!(error, Error::Protocol { .. } | Error::Clock { .. } | Error::Signer { .. });
    session_present || (error.verdict() == Verdict::Transient && !is_final)
}
