//! The session's own thread.

use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder as RuntimeBuilder, Runtime};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tracing::{Instrument as _, dispatcher, info, info_span, warn};

use super::driver::Driver;
use super::{Established, Settings, establish};
use crate::client::Outcome;
use crate::{Cause, Client, Error};

/// How many commands wait for the session; who brings more waits for a place.
const COMMANDS: usize = 64;

/// Connects, on a new thread with a runtime of its own.
///
/// It is not the application's runtime, because a TLS handshake asks the key for its signature synchronously: with a
/// key in a chip that takes a tenth of a second, and minutes when its bus hangs.
pub(crate) async fn start(settings: Settings) -> Result<Client, Error> {
    let failed = |error| Error::Start { source: Cause::new(error) };
    let (connected, answer) = oneshot::channel();
    let runtime = RuntimeBuilder::new_current_thread().enable_io().enable_time().build().map_err(failed)?;
    let log = dispatcher::get_default(Clone::clone);
    thread::Builder::new()
        .name("aws-iot-mqtt".to_owned())
        .spawn(move || dispatcher::with_default(&log, || run(runtime, settings, connected)))
        .map_err(failed)?;
    // No answer: the thread died, which it says on standard error.
    answer.await.unwrap_or_else(|gone| Err(Error::Start { source: Cause::new(gone) }))
}

fn run(runtime: Runtime, settings: Settings, connected: oneshot::Sender<Result<Client, Error>>) {
    let span = info_span!("mqtt", endpoint = %settings.endpoint, client_id = %settings.client_id);
    runtime.block_on(session(settings, connected).instrument(span));
    // Does not wait for a handshake that still hangs in the key, or for the resolver.
    runtime.shutdown_background();
}

async fn session(settings: Settings, mut connected: oneshot::Sender<Result<Client, Error>>) {
    let established = tokio::select! {
        established = establish(&settings) => established,
        () = connected.closed() => return,
    };
    let Established { stream, session, received } = match established {
        Ok(established) => established,
        Err(error) => {
            let _ = connected.send(Err(error));
            return;
        }
    };
    let (commands, to_do) = mpsc::channel(COMMANDS);
    let (end, ended) = watch::channel(None);
    let closing = Arc::new(Notify::new());
    let client = Client::new(commands, Arc::clone(&closing), ended, Arc::clone(&settings.limits));
    // Where nobody waits for the client any more, it is dropped here, and the driver says goodbye at once.
    drop(connected.send(Ok(client)));

    let outcome = Driver::new(stream, session, received, to_do, closing, settings.server()).run().await;
    report(&outcome);
    end.send_replace(Some(outcome));
}

fn report(outcome: &Outcome) {
    match outcome {
        Ok(()) => info!("disconnected"),
        Err(error) => warn!(%error, "the connection has ended"),
    }
}
