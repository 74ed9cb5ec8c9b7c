//! One connection after the other, for as long as there is a client.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tracing::{info, warn};

use super::driver::{Driver, Ended};
use super::shared::{Closing, Shared};
use super::{Established, Settings, establish, until};
use crate::client::Outcome;
use crate::reconnect::{Backoff, Ended as How, Next};
use crate::session::{Command, Session};
use crate::{Error, Event};

pub(super) struct Supervisor<'a> {
    pub(super) settings: &'a Settings,
    pub(super) shared: &'a Shared,
    pub(super) session: Session,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) closing: Closing,
    /// Where the fate of the first connection is told, if it has to stand.
    pub(super) first: Option<oneshot::Sender<Result<(), Error>>>,
}

impl Supervisor<'_> {
    /// Runs until the application ends it, or until it makes no sense to try again.
    pub(super) async fn run(&mut self) -> Outcome {
        let mut backoff = Backoff::new(self.settings.reconnect);
        let mut stood_before = false;
        loop {
            let started = Instant::now();
            let (settings, shared) = (self.settings, self.shared);
            let attempt = tokio::select! {
                attempt = establish(settings, !stood_before) => attempt,
                outcome = self.offline() => return outcome,
            };
            let acknowledged = shared.counters.acknowledged.get();
            let (error, up) = match attempt {
                Ok(established) => {
                    stood_before = true;
                    let stands = Instant::now();
                    match self.drive(established).await {
                        Ended::Asked(outcome) => return outcome,
                        Ended::Lost(error) => (error, stands.elapsed().max(Duration::from_nanos(1))),
                    }
                }
                Err(error) => {
                    shared.counters.failed_attempts.add(1);
                    (error, Duration::ZERO)
                }
            };
            shared.counters.failed(&error);
            if let Some(first) = self.first.take() {
                let _ = first.send(Err(error.clone()));
                return Err(error);
            }
            let fault = settings.classifier.fault(&error);
            let how = if up.is_zero() {
                How::NotConnected
            } else {
                How::Connected { up, acknowledged: shared.counters.acknowledged.get() > acknowledged }
            };
            let random = RandomState::new().hash_one(());
            let delay = match backoff.next(fault, how, Instant::now(), random) {
                Next::Retry { delay, slowly } => {
                    if slowly {
                        warn!(
                            ?delay,
                            "refused for minutes: the next attempt follows after the long interval"
                        );
                    }
                    Some(delay.max(settings.limits.connect_interval.saturating_sub(started.elapsed())))
                }
                Next::GiveUp => None,
            };
            self.report(&error, up, delay);
            let Some(delay) = delay else { return Err(error) };
            tokio::select! {
                () = sleep(delay) => {}
                outcome = self.offline() => return outcome,
            }
        }
    }

    async fn drive(&mut self, established: Established) -> Ended {
        let Established { stream, granted, received } = established;
        // What was asked for meanwhile comes first: a kept session's messages may come right behind CONNACK, and need
        // their subscriptions.
        while let Ok(command) = self.commands.try_recv() {
            self.session.command(command);
        }
        self.session.connected(granted, Instant::now());
        self.shared.queue.set_online(true);
        if let Some(first) = self.first.take() {
            // Where nobody waits for it any more, the client is gone as well, and the driver says goodbye at once.
            let _ = first.send(Ok(()));
        }
        let Self { settings, shared, session, commands, closing, .. } = self;
        let ended =
            Driver::new(stream, received, session, commands, closing, shared, settings.server()).run().await;
        self.shared.queue.set_online(false);
        // What was acknowledged right before the end.
        self.shared.settle(&mut self.session);
        self.session.disconnected();
        ended
    }

    /// While there is no connection: takes what the application asks for, and returns when it wants the end.
    async fn offline(&mut self) -> Outcome {
        let mut commands_come = true;
        loop {
            let now = Instant::now();
            if self.closing.has_begun() {
                self.commands.close();
                self.shared.queue.close();
                let messages = self.shared.queue.depth().0;
                if messages == 0 {
                    return Ok(());
                }
                if let Some(after) = self.closing.overdue(now) {
                    return Err(Error::NotDrained { messages, after });
                }
            }
            let deadline = self.closing.until();
            tokio::select! {
                command = self.commands.recv(), if commands_come => match command {
                    Some(command) => self.session.command(command),
                    None => commands_come = false,
                },
                () = self.closing.asked() => {}
                () = until(deadline) => {}
            }
        }
    }

    fn report(&self, error: &Error, up: Duration, retry_in: Option<Duration>) {
        let (error, stood) = (error.clone(), up > Duration::ZERO);
        match (stood, retry_in) {
            (true, Some(delay)) => {
                warn!(error = %error.report(), ?delay, "the connection has ended; trying again")
            }
            (false, Some(delay)) => warn!(error = %error.report(), ?delay, "no connection; trying again"),
            (true, None) => warn!(error = %error.report(), "the connection has ended"),
            (false, None) => warn!(error = %error.report(), "no connection"),
        }
        let hub = &self.shared.hub;
        if stood {
            hub.tell(Event::Disconnected { error: error.clone(), retry_in });
        } else {
            hub.tell(Event::ConnectFailed { error: error.clone(), retry_in });
        }
    }

    /// Tells everybody who waits.
    pub(super) fn finish(&mut self, outcome: &Outcome) {
        let why = match outcome {
            Ok(()) => &Error::Closed,
            Err(error) => error,
        };
        // First of all nothing new is accepted: whoever hears of the end finds it everywhere.
        self.shared.queue.end(why);
        self.shared.hub.end(match outcome {
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
        self.session.give_up(why);
    }
}
