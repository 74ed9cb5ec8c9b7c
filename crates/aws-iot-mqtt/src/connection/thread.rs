//! The session's own thread.

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder as RuntimeBuilder, Runtime};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tracing::{Instrument as _, dispatcher, info_span};

use super::shared::{CloseOnDrop, Closing, Shared};
use super::supervisor::Supervisor;
use crate::client::Outcome;
use crate::clock::Moment;
use crate::message_queue::{CAPACITY, QueueWriter, WhenUnread, queue};
use crate::session::{Command, Session, Subscriber};
use crate::subscription::Messages;
use crate::{Builder, Cause, Client, Error, Event};

/// How many commands wait for the session; who brings more waits for a place.
const COMMANDS: usize = 64;

/// Where the result of the first connection is sent to.
pub(crate) type Connected = oneshot::Receiver<Result<(), Error>>;

/// Starts the session, on a new thread with a runtime of its own. With `must_connect`, it ends when there is no first
/// connection within the deadline.
///
/// It is not the application's runtime, because a TLS handshake asks the key for its signature synchronously: with a
/// key in a chip that takes a tenth of a second, and minutes when its bus hangs.
pub(crate) fn start(settings: Builder, must_connect: bool) -> Result<(Client, Connected), Error> {
    let (connected, connects) = oneshot::channel();
    let (commands, to_do) = mpsc::channel(COMMANDS);
    let (end, ended) = watch::channel(None);
    let waker = Arc::<Notify>::default();
    let (unrouted, reader) = queue(Arc::clone(&waker), CAPACITY, WhenUnread::Wait);
    if !settings.subscriptions.is_empty() {
        // Their messages come here, and wait until the stream is taken.
        reader.attach();
    }
    let messages = Messages { queue: reader };
    let shared = Arc::new(Shared::new(settings.outbox, Arc::clone(&settings.limits), waker, messages));
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
    let log = dispatcher::get_default(Clone::clone);
    let first = must_connect.then_some(connected);
    let work = Work { settings, shared, unrouted, to_do, first };
    thread::Builder::new()
        .name("aws-iot-mqtt".to_owned())
        .spawn(move || dispatcher::with_default(&log, || run(work, end)))
        .map_err(|error| {
            let error = Error::Start { source: Cause::new(error) };
            client.shared.outbox.fail_all(&error);
            error
        })?;
    Ok((client, connects))
}

struct Work {
    settings: Builder,
    shared: Arc<Shared>,
    unrouted: Arc<QueueWriter>,
    to_do: mpsc::Receiver<Command>,
    first: Option<oneshot::Sender<Result<(), Error>>>,
}

fn run(work: Work, end: watch::Sender<Option<Outcome>>) {
    // Should this thread die, nobody waits in vain.
    let _guard = EndGuard(Arc::clone(&work.shared));
    // Made here: a runtime must not be dropped on another runtime's thread, which the application's may be.
    match RuntimeBuilder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => run_on(runtime, work, &end),
        Err(error) => {
            let error = Error::Start { source: Cause::new(error) };
            work.shared.outbox.fail_all(&error);
            work.shared.hub.tell(Event::GaveUp { error: error.clone() });
            end.send_replace(Some(Err(error)));
        }
    }
}

fn run_on(runtime: Runtime, work: Work, end: &watch::Sender<Option<Outcome>>) {
    let Work { settings, shared, unrouted, to_do, first } = work;
    let span = info_span!("mqtt", endpoint = %settings.endpoint, client_id = %settings.connect.client_id);
    let client_id = settings.connect.client_id.clone();
    let given = settings.subscriptions.iter().cloned();
    let given = given.map(|options| Subscriber::new(options, Arc::clone(&unrouted), None)).collect();
    let mut session = Session::new(&shared, client_id, settings.operation_timeout, unrouted);
    session.command(Command::Subscribe(given), Moment::now());
    let mut supervisor = Supervisor {
        settings: &settings,
        shared: &shared,
        session,
        commands: to_do,
        closing: Closing::new(Arc::clone(&shared), settings.drain_timeout),
        first,
    };
    let outcome = runtime.block_on(supervisor.run().instrument(span.clone()));
    span.in_scope(|| supervisor.finish(&outcome));
    drop(supervisor);
    // The key with it, before anybody is told: a program that ends next must not have a chip's module at work still.
    drop(settings);
    // So that it can be opened again.
    shared.outbox.wait_until_stored();
    end.send_replace(Some(outcome));
    // Does not wait for a handshake that still hangs in the key, or for the resolver.
    runtime.shutdown_background();
}

/// What everybody is told when the session's thread is gone without a word.
pub(crate) fn died() -> Error {
    Error::Start { source: Cause::new(io::Error::other("it died; standard error says of what")) }
}

struct EndGuard(Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        // The ordinary end has left nothing to do.
        if thread::panicking() {
            let error = died();
            self.0.outbox.fail_all(&error);
            self.0.hub.tell(Event::GaveUp { error });
        }
    }
}
