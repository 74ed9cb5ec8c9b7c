//! The thread that writes. It alone waits for the disk.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::{info, warn};

use super::super::Outbox;
use super::super::entry::Entry;
use super::super::store::CLOCK_IS_SET;
use super::failed;
use super::files::Files;
use super::group_commit::GroupCommit;
use super::lock::Lock;
use super::log::{Depth, Done, Loaded, Log};
use super::message::{StoredMessage, encode};
use super::options::WhenDiskFails;
use super::spool::{Accepted, DiskSpool, Mail};
use crate::clock::Moment;
use crate::{Error, Event};

/// Most bytes of messages that are in memory at a time. One message may be larger.
const WINDOW_BYTES: u64 = 1024 * 1024;
/// Most bytes at the start, when everything is loaded that was sent before.
const SENT_BYTES: u64 = 16 * 1024 * 1024;
/// Most messages in memory at a time: twice as many as AWS IoT Core lets be unacknowledged, and some more.
const WINDOW: u64 = 256;
/// The first pause before a disk that has failed is tried again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

pub(super) struct Worker<F: Files, M> {
    outbox: Arc<Outbox>,
    spool: Arc<DiskSpool>,
    log: Log<F>,
    files: M,
    lock: Option<Lock>,
    window: u64,
    commit: GroupCommit,
    /// Messages that could not be set aside yet.
    refused: Vec<(Entry, Error)>,
    failure: Option<Failure>,
    /// What was written before this process.
    written_before: u64,
}

/// The store cannot be written to.
struct Failure {
    error: Error,
    pause: Duration,
    retry: Instant,
}

impl<F: Files, M: Fn() -> F> Worker<F, M> {
    /// Opens the store, and loads the first messages. `receive_maximum`: how many messages may be unacknowledged at most.
    pub(super) fn open(
        outbox: Arc<Outbox>,
        spool: Arc<DiskSpool>,
        files: M,
        segment_bytes: u64,
        lock: Option<Lock>,
        receive_maximum: u16,
    ) -> io::Result<Self> {
        let mut log = Log::open(files(), segment_bytes, None)?;
        let failed = match (log.begin(), spool.options.when_disk_fails) {
            (Err(error), WhenDiskFails::Refuse) => return Err(error),
            (begun, _) => begun.err(),
        };
        let Depth { messages, bytes } = log.live();
        info!(directory = %spool.options.directory.display(), messages, bytes, "the durable outbox is open");
        let mut worker = Self {
            outbox,
            commit: GroupCommit::new(spool.options.commit),
            spool,
            written_before: log.totals().written_bytes,
            log,
            files,
            lock,
            window: WINDOW.max(2 * u64::from(receive_maximum.min(1024))),
            refused: Vec::new(),
            failure: None,
        };
        if let Some(error) = failed {
            worker.fail("be written to", error);
        }
        worker.load();
        Ok(worker)
    }

    /// Works until the outbox is closed.
    pub(super) fn run(&mut self) {
        loop {
            let mail = self.spool.take(self.deadline());
            let closing = mail.closing;
            let last = closing && mail.accepted.is_empty() && mail.removed.is_empty();
            self.step(mail, closing);
            if last {
                return;
            }
        }
    }

    /// One round: writes what has come, loads what can be sent.
    pub(super) fn step(&mut self, mail: Mail, closing: bool) {
        let now = Instant::now();
        if self.failure.as_ref().is_some_and(|failure| failure.retry <= now) {
            self.reopen();
        }
        for (key, packet_id) in mail.sent {
            self.log.sent(key, packet_id);
            self.commit.sent(now);
        }
        self.settle(mail.removed);
        for accepted in mail.accepted {
            self.append(accepted, now);
        }
        self.outbox.expire(SystemTime::now());
        self.make_room();
        if closing {
            self.log.save_totals();
        }
        if self.failure.is_none() && (closing || self.commit.is_due(now)) {
            self.commit();
        }
        if !closing {
            self.load();
        }
        self.tell();
        self.outbox.room.notify_waiters();
    }

    /// Loads what can be sent, as far as there is room for it in memory.
    pub(super) fn load(&mut self) {
        let (mut entries, wall) = (Vec::new(), SystemTime::now());
        loop {
            let Depth { messages, bytes } = self.log.loaded_depth();
            let room = messages < self.window && bytes < WINDOW_BYTES && self.refused.len() < 256;
            // Their packet ids must not be given to others.
            let sent = bytes < SENT_BYTES && self.log.has_sent_unread();
            if !room && !sent {
                break;
            }
            match self.next() {
                Some(Some((message, packet_id, bytes))) => {
                    entries.push(entry(message, packet_id, bytes, wall));
                }
                Some(None) => {}
                None => break,
            }
        }
        if !entries.is_empty() {
            self.outbox.load(entries);
        }
        self.tell();
    }

    /// The disk does not do its work: nothing is confirmed until the store was opened again.
    pub(super) fn fail(&mut self, doing: &'static str, error: io::Error) {
        let error = failed(&self.spool.options.directory, doing, error);
        self.commit.failed(&error);
        let pause = match &self.failure {
            Some(failure) => (failure.pause * 2).min(LONGEST_PAUSE),
            None => {
                warn!(error = %error.report(), "the durable outbox has failed");
                self.outbox.hub.tell(Event::OutboxFailed { error: error.clone() });
                FIRST_PAUSE
            }
        };
        self.failure = Some(Failure { error, pause, retry: Instant::now() + pause });
        self.tell();
    }

    #[cfg(test)]
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Opens the store again, and reads it again.
    pub(super) fn reopen(&mut self) {
        let opened =
            Log::open((self.files)(), self.log.segment_bytes(), Some(&self.log)).and_then(|mut log| {
                log.begin()?;
                Ok(log)
            });
        match opened {
            Ok(log) => {
                self.log = log;
                self.failure = None;
                info!("the durable outbox can be written to again");
                self.outbox.hub.tell(Event::OutboxRestored);
                let refused = std::mem::take(&mut self.refused);
                self.settle(refused.into_iter().map(|(entry, error)| (entry, Err(error))).collect());
                self.tell();
            }
            Err(error) => self.fail("be written to", error),
        }
    }

    fn append(&mut self, accepted: Accepted, now: Instant) {
        let Accepted { body, payload, answer } = accepted;
        if self.failure.is_none() {
            match self.log.append(&body, payload) {
                Ok(()) => return self.commit.appended(answer, now),
                Err(error) => self.fail("be written to", error),
            }
        }
        let Some(failure) = &self.failure else { return };
        match (self.spool.options.when_disk_fails, StoredMessage::decode(0, &body)) {
            (WhenDiskFails::Memory, Some(message)) => {
                let entry = Entry { stored: None, answer, ..message.into_entry(None, 0) };
                self.outbox.load(vec![entry]);
            }
            _ => drop(answer.map(|answer| answer.send(Err(failure.error.clone())))),
        }
    }

    /// Writes down what became of messages.
    fn settle(&mut self, removed: Vec<(Entry, Result<(), Error>)>) {
        for (entry, result) in removed {
            let Some((key, _)) = entry.stored else { continue };
            let how = match result {
                Ok(()) => Done::Acknowledged,
                Err(Error::Expired { .. }) => Done::Expired,
                Err(Error::Dropped { .. }) => Done::Dropped,
                Err(error) => {
                    if self.failure.is_some() {
                        self.refused.push((entry, error));
                        continue;
                    }
                    let reason = error.report().to_string();
                    if let Err(cause) = self.log.set_message_aside(key, &reason, &encode(&entry)) {
                        self.refused.push((entry, error));
                        self.fail("set a message aside", cause);
                        continue;
                    }
                    self.outbox.counters.lock().set_aside += 1;
                    Done::SetAside
                }
            };
            self.log.done(key, how);
            self.commit.done(Instant::now());
        }
    }

    /// Drops the oldest messages that were not sent until the bounds hold. Only with `WhenFull::DropOldest` more messages
    /// are accepted than there is room for.
    fn make_room(&mut self) {
        let options = self.outbox.options;
        loop {
            let Depth { messages, bytes } = self.log.live();
            if messages <= 1 || (messages <= options.messages as u64 && bytes <= options.bytes as u64) {
                return;
            }
            if !self.outbox.drop_oldest() {
                match self.next() {
                    Some(Some((message, packet_id, bytes))) => {
                        let entry = message.into_entry(packet_id, bytes);
                        let topic = entry.topic();
                        self.outbox.report(vec![(entry, Err(Error::Dropped { topic }))]);
                    }
                    Some(None) => {}
                    // All of them were sent.
                    None => return,
                }
            }
            let removed = self.spool.take_removed();
            self.settle(removed);
        }
    }

    fn commit(&mut self) {
        if let Err(error) = self.log.commit() {
            return self.fail("be written to", error);
        }
        self.commit.committed();
    }

    /// The next message of the log; `None` within where something else was there.
    fn next(&mut self) -> Option<Option<(StoredMessage, Option<u16>, u64)>> {
        match self.log.next() {
            Ok(Some(Loaded::Message(message, packet_id, bytes))) => Some(Some((message, packet_id, bytes))),
            Ok(Some(Loaded::Damaged { segment, from, to })) => {
                warn!(%segment, from, to, "damaged bytes of the durable outbox were set aside");
                self.outbox.counters.lock().set_aside += 1;
                Some(None)
            }
            Ok(None) => None,
            Err(error) => {
                if self.failure.is_none() {
                    self.fail("be read", error);
                }
                None
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let write = match &self.failure {
            Some(failure) => Some(failure.retry),
            None => self.commit.deadline(),
        };
        write.into_iter().chain(self.outbox.next_expiry(Moment::now())).min()
    }

    fn tell(&self) {
        let loaded = usize::try_from(self.log.loaded_depth().messages).unwrap_or(usize::MAX);
        self.spool.tell(self.log.live(), loaded, self.failure.as_ref().map(|failure| &failure.error));
        let written = self.log.totals().written_bytes.saturating_sub(self.written_before);
        self.outbox.counters.lock().stored_bytes = written;
    }
}

impl<F: Files, M> Drop for Worker<F, M> {
    fn drop(&mut self) {
        // The lock first: whoever waits for the end may open the store again.
        drop(self.lock.take());
        self.spool.end();
    }
}

/// As the session takes it. A message that was accepted before the clock was set has the age that this process knows of.
fn entry(message: StoredMessage, packet_id: Option<u16>, bytes: u64, now: SystemTime) -> Entry {
    let mut entry = message.into_entry(packet_id, bytes);
    let is_set = SystemTime::UNIX_EPOCH + CLOCK_IS_SET;
    if entry.accepted < is_set && is_set <= now {
        let life = entry.expires.map(|expires| expires.duration_since(entry.accepted).unwrap_or_default());
        entry.expires = life.and_then(|life| now.checked_add(life));
        entry.accepted = now;
    }
    entry
}
