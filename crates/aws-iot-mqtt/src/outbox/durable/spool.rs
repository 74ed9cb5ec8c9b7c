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

/// Most bytes that wait for the disk: a disk that does not keep up must not fill the memory.
const WAITING_BYTES: u64 = 4 * 1024 * 1024;
/// How long the last write may take at the end. A disk that hangs must not hang the program's end.
const CLOSING_TIME: Duration = Duration::from_secs(10);

pub(super) struct DiskSpool {
    pub(super) options: DurableOptions,
    mail: Mutex<Mail>,
    /// Notified when there is mail.
    arrived: Condvar,
    /// Notified when the thread is at its end.
    ended: Condvar,
}

/// What the thread is to do, and what it tells.
#[derive(Default)]
pub(super) struct Mail {
    pub(super) accepted: Vec<Accepted>,
    pub(super) sent: Vec<(Key, u16)>,
    pub(super) removed: Vec<(Entry, Result<(), Error>)>,
    pub(super) closing: bool,
    /// Of `accepted`.
    waiting: Depth,
    /// Taken by the thread and not yet written.
    taken: Depth,
    /// Done with, taken by the thread, and still counted in `stored`.
    settling: usize,
    /// In the log.
    pub(super) stored: Depth,
    /// In memory as well.
    pub(super) loaded: usize,
    /// Why the store cannot be written to.
    pub(super) failure: Option<Error>,
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
    let segment_bytes = options.segment_bytes(outbox.options.bytes);
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
        Self { options, mail: Mutex::default(), arrived: Condvar::new(), ended: Condvar::new() }
    }

    /// Waits for mail, until `deadline` at most, and takes it.
    pub(super) fn take(&self, deadline: Option<Instant>) -> Mail {
        let (mail, empty) = (self.mail(), |mail: &mut Mail| mail.is_empty());
        let mut mail = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            Some(left) => {
                self.arrived.wait_timeout_while(mail, left, empty).unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.arrived.wait_while(mail, empty).unwrap_or_else(PoisonError::into_inner),
        };
        mail.taken = take(&mut mail.waiting);
        mail.settling = mail.removed.len();
        Mail {
            accepted: take(&mut mail.accepted),
            sent: take(&mut mail.sent),
            removed: take(&mut mail.removed),
            closing: mail.closing,
            ..Mail::default()
        }
    }

    /// Takes what became of messages, without waiting.
    pub(super) fn take_removed(&self) -> Vec<(Entry, Result<(), Error>)> {
        let mut mail = self.mail();
        mail.settling += mail.removed.len();
        take(&mut mail.removed)
    }

    /// What was taken is in the log.
    pub(super) fn tell(&self, stored: Depth, loaded: usize, failure: Option<&Error>) {
        let mut mail = self.mail();
        (mail.taken, mail.settling) = (Depth::default(), 0);
        (mail.stored, mail.loaded) = (stored, loaded);
        if mail.failure.is_some() != failure.is_some() {
            mail.failure = failure.cloned();
        }
    }

    /// No message of this process counts any more.
    pub(super) fn end(&self) {
        self.mail().has_ended = true;
        self.ended.notify_all();
    }

    fn mail(&self) -> MutexGuard<'_, Mail> {
        // Nothing panics while it holds the lock.
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mail {
    pub(super) fn is_empty(&self) -> bool {
        let nothing = self.accepted.is_empty() && self.sent.is_empty() && self.removed.is_empty();
        nothing && !self.closing
    }

    fn depth(&self) -> Depth {
        self.waiting + self.taken + self.stored
    }
}

impl Spool for DiskSpool {
    fn offer(&self, entry: Entry, options: &OutboxOptions) -> Result<Offer, Error> {
        let body = encode(&entry);
        let length = (HEADER + body.len()) as u64;
        let mut mail = self.mail();
        if mail.closing {
            return Err(Error::Closed);
        }
        if let Some(failure) = &mail.failure {
            return match self.options.when_disk_fails {
                WhenDiskFails::Refuse => Err(failure.clone()),
                WhenDiskFails::Memory => Ok(Offer::Memory(entry)),
            };
        }
        let Depth { messages, bytes } = mail.depth();
        let fits = messages == 0
            || (messages < options.messages as u64 && bytes.saturating_add(length) <= options.bytes as u64);
        // The thread drops the oldest ones.
        let fits = fits || options.when_full == WhenFull::DropOldest;
        let keeps_up = mail.waiting.messages == 0 || mail.waiting.bytes + length <= WAITING_BYTES;
        if !fits || !keeps_up {
            return Ok(Offer::NoRoom(entry));
        }
        mail.waiting.add_message(length);
        mail.accepted.push(Accepted { body, payload: entry.payload.len(), answer: entry.answer });
        drop(mail);
        self.arrived.notify_one();
        Ok(Offer::Accepted)
    }

    fn sent(&self, messages: &[(Key, u16)]) {
        self.mail().sent.extend_from_slice(messages);
        self.arrived.notify_one();
    }

    fn removed(&self, messages: Vec<(Entry, Result<(), Error>)>) {
        self.mail().removed.extend(messages);
        self.arrived.notify_one();
    }

    fn depth(&self) -> (usize, usize, usize) {
        let mail = self.mail();
        let Depth { messages, bytes } = mail.depth();
        // Told to be done with, and not yet written down.
        let removed = mail.removed.len() + mail.settling;
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        (size(messages).saturating_sub(removed), size(bytes), mail.loaded.saturating_sub(removed))
    }

    fn close(&self) {
        self.mail().closing = true;
        self.arrived.notify_one();
    }

    fn wait_until_closed(&self) {
        let waited = self.ended.wait_timeout_while(self.mail(), CLOSING_TIME, |mail| !mail.has_ended);
        if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
            warn!(
                directory = %self.options.directory.display(),
                "the disk did not take the last messages within {} s", CLOSING_TIME.as_secs()
            );
        }
    }
}
