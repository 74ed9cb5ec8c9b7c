//! The session's own thread, and what it shares with the application's clients.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use tokio::runtime::{Builder as RuntimeBuilder, Runtime};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tracing::{Instrument as _, dispatcher, info_span};

use super::supervisor::{Engine, Supervisor};
use crate::client::Outcome;
use crate::clock::Moment;
use crate::event::Hub;
use crate::message_queue::{CAPACITY, QueueWriter, WhenUnread, queue};
use crate::outbox::Outbox;
use crate::session::{Command, Session, Subscriber};
use crate::statistics::Counters;
use crate::{Builder, Cause, Client, DisconnectReason, Error, Limits, Messages, OutboxOptions};

/// How many commands wait for the session; who brings more waits for a place.
const COMMANDS: usize = 64;

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
    pub(super) closing: OnceLock<DisconnectReason>,
}

impl Shared {
    /// With the session's end of the stream of messages without a subscription of their own.
    pub(crate) fn new(outbox: OutboxOptions, limits: Arc<Limits>) -> (Arc<Self>, Arc<QueueWriter>) {
        let (waker, hub, counters) = (Arc::<Notify>::default(), Arc::<Hub>::default(), Arc::default());
        let (unrouted, reader) = queue(Arc::clone(&waker), CAPACITY, WhenUnread::Wait);
        let messages = Mutex::new(Some(reader));
        let outbox = Outbox::new(outbox, Arc::clone(&waker), Arc::clone(&hub), Arc::clone(&counters));
        let (outbox, closing) = (Arc::new(outbox), OnceLock::new());
        (Arc::new(Self { outbox, waker, messages, hub, counters, limits, closing }), unrouted)
    }

    /// Asks for the client's end. Of several calls, the first one's reason counts.
    pub(crate) fn close(&self, reason: DisconnectReason) {
        self.closing.get_or_init(|| reason);
        self.waker.notify_one();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Ends the client when the last one is dropped.
#[derive(Debug)]
pub(crate) struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close(DisconnectReason::Normal);
    }
}

/// Starts the session, on a new thread with a runtime of its own. With `must_connect`, it ends when there is no first
/// connection within the deadline. The receiver gets a value with the first connection, and is closed where the client
/// ends before.
///
/// It is not the application's runtime, because a TLS handshake asks the key for its signature synchronously: with a
/// key in a chip that takes a tenth of a second, and minutes when its bus hangs.
pub(crate) fn start(settings: Builder, must_connect: bool) -> Result<(Client, oneshot::Receiver<()>), Error> {
    let (connected, connects) = oneshot::channel();
    let (commands, to_do) = mpsc::channel(COMMANDS);
    let (end, ended) = watch::channel(None);
    let (shared, unrouted) = Shared::new(settings.outbox, Arc::clone(&settings.limits));
    #[cfg(feature = "durable")]
    if let Some(durable) = &settings.durable {
        crate::outbox::durable::open(&shared.outbox, durable, settings.limits.receive_maximum)?;
    }
    let client = Client {
        commands,
        ended,
        shared: Arc::clone(&shared),
        operation_timeout: settings.operation_timeout,
        _alive: Arc::new(CloseOnDrop(Arc::clone(&shared))),
    };
    let client_id = settings.connect.client_id.clone();
    let given = settings.subscriptions.iter().cloned();
    let given: Vec<_> = given.map(|options| Subscriber::new(options, Arc::clone(&unrouted), None)).collect();
    if !given.is_empty() {
        // Their messages come here, and wait until the stream is taken.
        unrouted.attach();
    }
    let mut session = Session::new(Arc::clone(&shared), client_id, settings.operation_timeout, unrouted);
    session.command(Command::Subscribe(given), Moment::now());
    let engine = Engine { session, commands: to_do, drain: settings.drain_timeout, closing: None };
    let first = must_connect.then_some(connected);
    let log = dispatcher::get_default(Clone::clone);
    thread::Builder::new()
        .name("aws-iot-mqtt".to_owned())
        .spawn(move || dispatcher::with_default(&log, || run(settings, engine, first, end)))
        .map_err(|error| {
            let error = Error::Start { source: Cause::new(error) };
            shared.outbox.fail_all(&error);
            error
        })?;
    Ok((client, connects))
}

fn run(
    settings: Builder,
    engine: Engine,
    first: Option<oneshot::Sender<()>>,
    end: watch::Sender<Option<Outcome>>,
) {
    let shared = Arc::clone(&engine.session.shared);
    let span = info_span!("mqtt", endpoint = %settings.endpoint, client_id = %settings.connect.client_id);
    let mut supervisor = Supervisor { settings: &settings, engine, first };
    // Made here: a runtime must not be dropped on another runtime's thread, which the application's may be.
    let (runtime, outcome) = match RuntimeBuilder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => {
            let outcome = runtime.block_on(supervisor.run().instrument(span.clone()));
            (Some(runtime), outcome)
        }
        Err(error) => (None, Err(Error::Start { source: Cause::new(error) })),
    };
    span.in_scope(|| supervisor.engine.finish(&outcome));
    drop(supervisor);
    // The key with it, before anybody is told: a program that ends next must not have a chip's module at work still.
    drop(settings);
    // So that it can be opened again.
    shared.outbox.wait_until_stored();
    end.send_replace(Some(outcome));
    // Does not wait for a handshake that still hangs in the key, or for the resolver.
    runtime.into_iter().for_each(Runtime::shutdown_background);
}

/// What everybody is told when the session's thread is gone without a word.
pub(crate) fn died() -> Error {
    Error::Start { source: Cause::new(io::Error::other("it died; standard error says of what")) }
}
