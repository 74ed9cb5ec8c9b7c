//! The session's own thread.

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder as RuntimeBuilder, Runtime};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument as _, dispatcher, info_span};

use super::Settings;
use super::shared::{Closing, Shared};
use super::supervisor::Supervisor;
use crate::client::Outcome;
use crate::session::{Command, Session};
use crate::{Cause, Client, DisconnectReason, Error, Event};

/// How many commands wait for the session; who brings more waits for a place.
const COMMANDS: usize = 64;

/// Where the fate of the first connection is told.
pub(crate) type Connected = oneshot::Receiver<Result<(), Error>>;

/// Starts the session, on a new thread with a runtime of its own. With `must_stand`, it ends when the first connection
/// does not stand.
///
/// It is not the application's runtime, because a TLS handshake asks the key for its signature synchronously: with a
/// key in a chip that takes a tenth of a second, and minutes when its bus hangs.
pub(crate) fn start(settings: Settings, must_stand: bool) -> Result<(Client, Connected), Error> {
    let failed = |error| Error::Start { source: Cause::new(error) };
    let runtime = RuntimeBuilder::new_current_thread().enable_io().enable_time().build().map_err(failed)?;
    let (connected, connects) = oneshot::channel();
    let (commands, to_do) = mpsc::channel(COMMANDS);
    let (closing, asked) = watch::channel(None);
    let (end, ended) = watch::channel(None);
    let shared = Arc::new(Shared::new(settings.outbox, Arc::clone(&settings.limits)));
    let client = Client { commands, closing: Arc::new(closing), ended, shared: Arc::clone(&shared) };
    let log = dispatcher::get_default(Clone::clone);
    let work = Work { settings, shared, to_do, asked, first: must_stand.then_some(connected) };
    thread::Builder::new()
        .name("aws-iot-mqtt".to_owned())
        .spawn(move || dispatcher::with_default(&log, || run(runtime, work, end)))
        .map_err(failed)?;
    Ok((client, connects))
}

struct Work {
    settings: Settings,
    shared: Arc<Shared>,
    to_do: mpsc::Receiver<Command>,
    asked: watch::Receiver<Option<DisconnectReason>>,
    first: Option<oneshot::Sender<Result<(), Error>>>,
}

fn run(runtime: Runtime, work: Work, end: watch::Sender<Option<Outcome>>) {
    let Work { settings, shared, to_do, asked, first } = work;
    // Should this thread die, nobody waits in vain.
    let _guard = EndGuard(Arc::clone(&shared));
    let span = info_span!("mqtt", endpoint = %settings.endpoint, client_id = %settings.hello.client_id);
    let session = Session::new(
        Arc::clone(&settings.limits),
        settings.hello.client_id.clone(),
        Arc::clone(&shared.hub),
        Arc::clone(&shared.counters),
    );
    let mut supervisor = Supervisor {
        settings: &settings,
        shared: &shared,
        session,
        commands: to_do,
        closing: Closing::new(asked, settings.drain_timeout),
        first,
    };
    let outcome = runtime.block_on(supervisor.run().instrument(span.clone()));
    span.in_scope(|| supervisor.finish(&outcome));
    drop(supervisor);
    // The key with it, before anybody is told: a program that ends next must not have a chip's module at work still.
    drop(settings);
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
            self.0.queue.end(&error);
            self.0.hub.end(Event::GaveUp { error });
        }
    }
}
