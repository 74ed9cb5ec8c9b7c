//! The application's and the session's end of the store: a mailbox for the thread that writes.

use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{dispatcher, warn};

use super::super::entry::{Answer, Entry};
use super::super::store::{Key, Offer, Spool};
use super::super::{Outbox, OutboxOptions, WhenFull};
use super::files::{Directory, Lock, make_directory, volatile};
use super::message::encode;
use super::record::{Depth, HEADER};
use super::worker::Worker;
use super::{DurableOptions, WhenDiskFails, failed};
use crate::{Cause, Error};

/// Bytes of a segment, which is the smallest piece of disk that is given back.
const LARGEST_SEGMENT: u64 = 4 * 1024 * 1024;
const SMALLEST_SEGMENT: u64 = 64 * 1024;
/// Most bytes that wait for the disk: a disk that does not keep up must not fill the memory.
const WAITING_BYTES: u64 = 4 * 1024 * 1024;
/// How long the last write may take at the end. A disk that hangs must not hang the program's end.
const CLOSING_TIME: Duration = Duration::from_secs(10);

pub(super) struct DiskSpool {
    pub(super) options: DurableOptions,
    state: Mutex<State>,
    /// Notified when there is mail.
    arrived: Condvar,
    /// Notified when the thread is at its end.
    ended: Condvar,
}

/// What the thread is to do.
#[derive(Default)]
pub(super) struct Mail {
    pub(super) accepted: Vec<Accepted>,
    pub(super) sent: Vec<(Key, u16)>,
    pub(super) removed: Vec<(Entry, Result<(), Error>)>,
    pub(super) closing: bool,
}

#[derive(Default)]
struct State {
    mail: Mail,
    /// Accepted, and not taken by the thread.
    waiting: Depth,
    /// Taken by the thread and not yet written.
    taken: Depth,
    /// Done with, taken by the thread, and still counted in `stored`.
    settling: usize,
    /// In the log.
    stored: Depth,
    /// In memory as well.
    loaded: usize,
    /// Why the store cannot be written to.
    failure: Option<Error>,
    has_ended: bool,
}

/// A message that is to be written.
pub(super) struct Accepted {
    pub(super) body: Vec<u8>,
    pub(super) payload: usize,
    pub(super) answer: Option<Answer<()>>,
}

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
    // Small beside the store.
    let segment_bytes = (outbox.options.bytes as u64 / 8).clamp(SMALLEST_SEGMENT, LARGEST_SEGMENT);
    let mut worker =
        Worker::open(outbox, &spool, files, segment_bytes, Some(lock), receive_maximum).map_err(failed)?;
    let log = dispatcher::get_default(Clone::clone);
    thread::Builder::new()
        .name("aws-iot-outbox".to_owned())
        .spawn(move || dispatcher::with_default(&log, || worker.run()))
        .map_err(|error| Error::Start { source: Cause::new(error) })?;
    let _ = outbox.spool.set(spool);
    Ok(())
}

impl DiskSpool {
    pub(super) fn new(options: DurableOptions) -> Self {
        Self { options, state: Mutex::default(), arrived: Condvar::new(), ended: Condvar::new() }
    }

    /// Waits for mail, until `deadline` at most, and takes it.
    pub(super) fn take(&self, deadline: Option<Instant>) -> Mail {
        let empty = |state: &mut State| state.mail.is_empty();
        let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
        let waited = self.arrived.wait_timeout_while(self.state(), left, empty);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let mail = take(&mut state.mail);
        state.mail.closing = mail.closing;
        state.taken = take(&mut state.waiting);
        state.settling = mail.removed.len();
        mail
    }

    /// Takes what became of messages, without waiting.
    pub(super) fn take_removed(&self) -> Vec<(Entry, Result<(), Error>)> {
        let mut state = self.state();
        state.settling += state.mail.removed.len();
        take(&mut state.mail.removed)
    }

    /// What was taken is in the log.
    pub(super) fn tell(&self, stored: Depth, loaded: usize, failure: Option<&Error>) {
        let mut state = self.state();
        (state.taken, state.settling) = (Depth::default(), 0);
        (state.stored, state.loaded) = (stored, loaded);
        if state.failure.is_some() != failure.is_some() {
            state.failure = failure.cloned();
        }
    }

    /// No message of this process counts any more.
    pub(super) fn end(&self) {
        self.state().has_ended = true;
        self.ended.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mail {
    fn is_empty(&self) -> bool {
        let nothing = self.accepted.is_empty() && self.sent.is_empty() && self.removed.is_empty();
        nothing && !self.closing
    }
}

impl State {
    fn depth(&self) -> Depth {
        self.waiting + self.taken + self.stored
    }
}

impl Spool for DiskSpool {
    fn offer(&self, entry: Entry, options: &OutboxOptions) -> Result<Offer, Error> {
        let body = encode(&entry);
        let length = (HEADER + body.len()) as u64;
        let mut state = self.state();
        if state.mail.closing {
            return Err(Error::Closed);
        }
        if let Some(failure) = &state.failure {
            return match self.options.when_disk_fails {
                WhenDiskFails::Refuse => Err(failure.clone()),
                WhenDiskFails::Memory => Ok(Offer::Memory(entry)),
            };
        }
        let Depth { messages, bytes } = state.depth();
        let fits = messages == 0
            || (messages < options.messages as u64 && bytes.saturating_add(length) <= options.bytes as u64);
        // The thread drops the oldest ones.
        let fits = fits || options.when_full == WhenFull::DropOldest;
        let keeps_up = state.waiting.messages == 0 || state.waiting.bytes + length <= WAITING_BYTES;
        if !fits || !keeps_up {
            return Ok(Offer::NoRoom(entry));
        }
        state.waiting.add_message(length);
        state.mail.accepted.push(Accepted { body, payload: entry.payload.len(), answer: entry.answer });
        drop(state);
        self.arrived.notify_one();
        Ok(Offer::Accepted)
    }

    fn sent(&self, messages: &[(Key, u16)]) {
        self.state().mail.sent.extend_from_slice(messages);
        self.arrived.notify_one();
    }

    fn removed(&self, messages: Vec<(Entry, Result<(), Error>)>) {
        self.state().mail.removed.extend(messages);
        self.arrived.notify_one();
    }

    fn depth(&self) -> (usize, usize, usize) {
        let state = self.state();
        let Depth { messages, bytes } = state.depth();
        // Told to be done with, and not yet written down.
        let removed = state.mail.removed.len() + state.settling;
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        (size(messages).saturating_sub(removed), size(bytes), state.loaded.saturating_sub(removed))
    }

    fn close(&self) {
        self.state().mail.closing = true;
        self.arrived.notify_one();
    }

    fn wait_until_closed(&self) {
        let waited = self.ended.wait_timeout_while(self.state(), CLOSING_TIME, |state| !state.has_ended);
        if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
            warn!(
                directory = %self.options.directory.display(),
                "the disk did not take the last messages within {} s", CLOSING_TIME.as_secs()
            );
        }
    }
}
