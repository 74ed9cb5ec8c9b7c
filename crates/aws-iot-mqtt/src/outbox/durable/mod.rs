//! An outbox on a disk: messages of QoS 1 survive a power failure.
//!
//! See [`Builder::durable`](crate::Builder::durable). The functions here look into a store without a client.

// The way of a message: `DiskSpool::offer` (spool.rs) hands it to the thread of `Worker` (worker.rs), which appends it to the `Log`
// (log.rs), syncs, and only then tells whoever published it. The worker loads a few messages at a time from the log into the
// memory that the session sends from, and writes down what became of them.

mod files;
mod group_commit;
mod inspect;
mod lock;
mod log;
mod message;
mod options;
mod progress;
mod reader;
mod record;
mod recovery;
mod segment;
mod set_aside;
mod spool;
#[cfg(test)]
mod tests;
mod worker;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use tracing::{dispatcher, warn};

use self::files::{Directory, sync_directory, volatile};
pub use self::inspect::{Status, StoredMessages, clear, messages, set_aside, status};
use self::lock::Lock;
pub use self::message::StoredMessage;
pub use self::options::{Commit, DurableOptions, WhenDiskFails};
pub use self::progress::Totals;
#[cfg(any(test, fuzzing))]
pub(crate) use self::record::fuzz;
pub use self::set_aside::{SetAsideContent, SetAsideItem};
use self::spool::DiskSpool;
use self::worker::Worker;
use super::Outbox;
use crate::{Cause, Error};

/// Opens the store, loads the first messages, and starts the thread that writes. `receive_maximum`: how many messages may
/// be unacknowledged at most.
pub(crate) fn open(
    outbox: &Arc<Outbox>,
    options: &DurableOptions,
    receive_maximum: u16,
) -> Result<(), Error> {
    let directory = &options.directory;
    let failed = |error| failed(directory, "be opened", error);
    make_directory(directory).map_err(failed)?;
    if let Some(why) = volatile(directory) {
        warn!(directory = %directory.display(), why, "the durable outbox is probably not durable");
    }
    let lock = Lock::take(directory)?;
    let place = directory.clone();
    let files = move || Directory(place.clone());
    let spool = Arc::new(DiskSpool::new(options.clone()));
    let segment_bytes = options.segment_bytes(outbox.options.bytes);
    let (outbox_too, spool_too) = (Arc::clone(outbox), Arc::clone(&spool));
    let mut worker = Worker::open(outbox_too, spool_too, files, segment_bytes, Some(lock), receive_maximum)
        .map_err(failed)?;
    let log = dispatcher::get_default(Clone::clone);
    thread::Builder::new()
        .name("aws-iot-outbox".to_owned())
        .spawn(move || dispatcher::with_default(&log, || worker.run()))
        .map_err(|error| Error::Start { source: Cause::new(error) })?;
    let _ = outbox.spool.set(spool);
    Ok(())
}

/// The directory, for this user alone, and its name on stable storage.
fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    match directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_directory(parent),
        None => sync_directory(Path::new(".")),
    }
}

fn failed(directory: &Path, doing: &'static str, error: io::Error) -> Error {
    Error::OutboxStore { directory: directory.display().to_string(), doing, source: Cause::new(error) }
}
