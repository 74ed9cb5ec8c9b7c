//! The thread that writes. It alone waits for the disk.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::{info, warn};

use super::super::Outbox;
use super::super::entry::Entry;
use super::files::{Files, Lock};
use super::group_commit::GroupCommit;
use super::log::Log;
use super::message::{StoredMessage, encode};
use super::progress::Totals;
use super::record::Depth;
use super::spool::{Accepted, DiskSpool, Mail};
use super::{WhenDiskFails, failed, set_aside};
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
    /// As they were before this process.
    totals_before: Totals,
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
        outbox: &Arc<Outbox>,
        spool: &Arc<DiskSpool>,
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
        let Depth { messages, bytes } = log.live;
        info!(directory = %spool.options.directory.display(), messages, bytes, "the durable outbox is open");
        let mut worker = Self {
            outbox: Arc::clone(outbox),
            commit: GroupCommit::new(spool.options.commit),
            spool: Arc::clone(spool),
            totals_before: log.progress.totals,
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
            self.commit.changed(0, now);
        }
        self.settle(mail.removed);
        for accepted in mail.accepted {
            self.append(accepted, now);
        }
        self.outbox.expire(SystemTime::now());
        self.make_room();
        // The totals are written at the end, whatever else there is to write.
        self.log.changed |= closing;
        if self.failure.is_none() && (closing || self.commit.is_due(now)) {
            match self.log.commit() {
                Ok(()) => self.commit.end(&Ok(())),
                Err(error) => self.fail("be written to", error),
            }
        }
        if !closing {
            self.load();
        }
        self.tell();
        self.outbox.room.notify_waiters();
    }

    /// Loads what can be sent, as far as there is room for it in memory.
    pub(super) fn load(&mut self) {
        let mut entries = Vec::new();
        loop {
            let Depth { messages, bytes } = self.log.loaded_depth();
            let room = messages < self.window && bytes < WINDOW_BYTES && self.refused.len() < 256;
            // Their packet ids must not be given to others.
            let sent = bytes < SENT_BYTES && self.log.has_sent_unread();
            if !room && !sent {
                break;
            }
            let Some(entry) = self.next() else { break };
            entries.push(entry);
        }
        if !entries.is_empty() {
            self.outbox.load(entries);
        }
        self.tell();
    }

    /// The disk does not do its work: nothing is confirmed until the store was opened again.
    pub(super) fn fail(&mut self, doing: &'static str, error: io::Error) {
        let error = failed(&self.spool.options.directory, doing, error);
        self.commit.end(&Err(error.clone()));
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
        let opened = Log::open((self.files)(), self.log.segment_bytes, Some(&self.log));
        match opened.and_then(|mut log| log.begin().map(|()| log)) {
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
                let entry = message.into_entry(None, 0, SystemTime::now());
                let entry = Entry { stored: None, answer, ..entry };
                self.outbox.load(vec![entry]);
            }
            _ => drop(answer.map(|answer| answer.send(Err(failure.error.clone())))),
        }
    }

    /// Writes down what became of messages.
    fn settle(&mut self, removed: Vec<(Entry, Result<(), Error>)>) {
        for (entry, result) in removed {
            let Some((key, _)) = entry.stored else { continue };
            let count: fn(&mut Totals) -> &mut u64 = match result {
                Ok(()) => |totals| &mut totals.acknowledged,
                Err(Error::Expired { .. }) => |totals| &mut totals.expired,
                Err(Error::Dropped { .. }) => |totals| &mut totals.dropped,
                Err(error) => {
                    if !self.set_aside(key, entry, error) {
                        continue;
                    }
                    |totals| &mut totals.set_aside
                }
            };
            self.log.done(key, count);
            self.commit.changed(1, Instant::now());
        }
    }

    /// Returns whether it was possible. If not, it is tried again when the disk can be written to.
    fn set_aside(&mut self, key: u64, entry: Entry, error: Error) -> bool {
        if self.failure.is_none() {
            let reason = error.report().to_string();
            match set_aside::message(&self.log.files, key, &reason, &encode(&entry)) {
                Ok(()) => return true,
                Err(cause) => self.fail("set a message aside", cause),
            }
        }
        self.refused.push((entry, error));
        false
    }

    /// Drops the oldest messages that were not sent until the bounds hold. Only with `WhenFull::DropOldest` more messages
    /// are accepted than there is room for.
    fn make_room(&mut self) {
        let options = self.outbox.options;
        loop {
            let Depth { messages, bytes } = self.log.live;
            if messages <= 1 || (messages <= options.messages as u64 && bytes <= options.bytes as u64) {
                return;
            }
            if !self.outbox.drop_oldest() {
                // Else, all of them were sent.
                let Some(entry) = self.next() else { return };
                let topic = entry.topic();
                self.outbox.report(vec![(entry, Err(Error::Dropped { topic }))]);
            }
            let removed = self.spool.take_removed();
            self.settle(removed);
        }
    }

    /// The next message of the log.
    fn next(&mut self) -> Option<Entry> {
        self.log.next().unwrap_or_else(|error| {
            if self.failure.is_none() {
                self.fail("be read", error);
            }
            None
        })
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
        self.spool.tell(self.log.live, loaded, self.failure.as_ref().map(|failure| &failure.error));
        let (totals, before) = (&self.log.progress.totals, &self.totals_before);
        let mut counters = self.outbox.counters.lock();
        counters.stored_bytes = totals.written_bytes.saturating_sub(before.written_bytes);
        counters.set_aside = totals.set_aside.saturating_sub(before.set_aside);
    }
}

impl<F: Files, M> Drop for Worker<F, M> {
    fn drop(&mut self) {
        // The lock first: whoever waits for the end may open the store again.
        drop(self.lock.take());
        self.spool.end();
    }
}
