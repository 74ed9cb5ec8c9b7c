//! The log: messages are appended, read in their order, and told as done with.
//!
//! A segment is a file of records. The log appends to one segment, which it has made itself. What an earlier process or a
//! failed write has left in a file is read, and no message is ever written behind it: when the log is opened, a torn end is
//! cut off and a seal is put there. After an error nothing is written any more until it is opened again: what the kernel has kept of
//! the file is not known.
//!
//! What is appended is kept in memory until it is synced. In the file, the file system would write it at times of its own (btrfs:
//! each 30 s), and with it each time a copy of its metadata, which is many times as much.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::SystemTime;

use tracing::warn;

use super::super::entry::Entry;
use super::files::Files;
use super::message::StoredMessage;
use super::progress::{Progress, Totals};
use super::reader::{Damage, Item, Reader};
use super::record::{self, Depth, Kind, Record, Summary};
use super::segment::{Recovered, Segment, name, recover};
use super::set_aside;

/// Bytes in memory after which they are written to the file before more is appended.
const MOST_IN_MEMORY: usize = 256 * 1024;

pub(super) struct Log<F: Files> {
    pub(super) files: F,
    pub(super) segment_bytes: u64,
    /// The oldest first.
    segments: VecDeque<Segment>,
    next_id: u64,
    /// The last segment's, if that is appended to.
    file: Option<F::File>,
    /// The end of the last segment, which is not in the file yet.
    tail: Vec<u8>,
    /// Something was written to the file and not synced.
    dirty: bool,
    /// A file was made, and its name was not synced.
    names_changed: bool,
    /// A call has failed.
    failed: bool,
    pub(super) progress: Progress,
    /// The progress is to be written with the next commit.
    pub(super) changed: bool,
    reader: Option<Reader<F::File>>,
    last_read: u64,
    /// Messages that were read and are not done with, each with the length of its record.
    loaded: BTreeMap<u64, u64>,
    /// Messages that are not done with.
    pub(super) live: Depth,
}

impl<F: Files> Log<F> {
    /// Opens the log. `earlier` is the same log of this process, which has failed: what it knows counts.
    pub(super) fn open(files: F, segment_bytes: u64, earlier: Option<&Self>) -> io::Result<Self> {
        let Recovered { segments, next_id, progress, live } =
            recover(&files, earlier.map(|earlier| &earlier.progress))?;
        Ok(Self {
            files,
            segment_bytes,
            segments,
            next_id: earlier.map_or(next_id, |earlier| next_id.max(earlier.next_id)),
            file: None,
            tail: Vec::new(),
            dirty: false,
            names_changed: false,
            failed: false,
            progress,
            changed: false,
            reader: None,
            last_read: 0,
            loaded: earlier.map(|earlier| earlier.loaded.clone()).unwrap_or_default(),
            live,
        })
    }

    /// Begins a segment, so that it is known whether the store can be written to.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.begin_segment()?;
        self.commit()
    }

    /// Appends a message, whose record's body is given. It is on stable storage after the next [`Self::commit`].
    pub(super) fn append(&mut self, body: &[u8], payload: usize) -> io::Result<()> {
        let full = self.segments.back().is_some_and(|segment| segment.length >= self.segment_bytes);
        if self.file.is_none() || full {
            self.begin_segment()?;
        }
        let key = self.progress.next_key;
        let length = self.write(Kind::Message, key, body)?;
        self.progress.next_key += 1;
        self.progress.totals.accepted += 1;
        self.progress.totals.payload_bytes += payload as u64;
        if let Some(segment) = self.segments.back_mut() {
            segment.summary.add(key, length);
        }
        self.live.add_message(length);
        Ok(())
    }

    /// Returns when everything that was appended, and what became of all messages, is on stable storage.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        self.check()?;
        if self.changed && self.file.is_some() {
            self.write_progress()?;
        } else if self.changed {
            self.begin_segment()?;
        }
        self.sync()?;
        self.remove_segments()
    }

    /// The next message that was not read yet.
    ///
    /// # Errors
    /// When a segment cannot be opened, or when damaged bytes cannot be set aside.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        loop {
            let at = self.reader.as_ref().map_or(0, |reader| reader.id);
            let mut later = self.segments.iter().filter(|segment| segment.id >= at);
            let Some(Segment { id, length, .. }) = later.next() else { break };
            let (id, tail) = (*id, if later.next().is_none() { self.tail.as_slice() } else { &[] });
            let reader = match &mut self.reader {
                Some(reader) if reader.id == id => reader,
                other => other.insert(Reader::open(&self.files, &name(id), id)?),
            };
            reader.end = *length;
            match reader.next(&self.files, tail) {
                Some(Item::Record(Record::Message(message), length)) => {
                    if let Some(entry) = self.loaded(message, length) {
                        return Ok(Some(entry));
                    }
                }
                Some(Item::Record(..) | Item::Damaged { why: Damage::Torn, .. }) => {}
                Some(Item::Damaged { from, to, why }) => {
                    let set_aside = self.set_damaged_aside(id, from, to, why);
                    if let (Err(_), Some(reader)) = (&set_aside, &mut self.reader) {
                        // It is read again when it can be set aside.
                        reader.offset = from;
                    }
                    set_aside?;
                }
                None => match self.segments.iter().find(|segment| segment.id > id) {
                    Some(next) => self.reader = Some(Reader::open(&self.files, &name(next.id), next.id)?),
                    None => break,
                },
            }
        }
        // Everything was read: whatever was counted beyond this does not exist.
        self.live = self.loaded_depth();
        Ok(None)
    }

    /// The message as the session takes it, unless it is done with or was read before the log was opened again.
    fn loaded(&mut self, message: StoredMessage, length: u64) -> Option<Entry> {
        let key = message.key;
        // The messages in between are gone.
        if key > self.last_read + 1 {
            self.progress.done.insert(if self.last_read == 0 { 0 } else { self.last_read + 1 }, key);
        }
        self.last_read = self.last_read.max(key);
        if self.progress.done.contains(key) || self.loaded.contains_key(&key) {
            return None;
        }
        self.loaded.insert(key, length);
        Some(message.into_entry(self.progress.packet_id(key), length, SystemTime::now()))
    }

    /// The message was sent under that packet id.
    pub(super) fn sent(&mut self, key: u64, packet_id: u16) {
        self.progress.packet_ids.retain(|_, message| *message != key);
        self.progress.packet_ids.insert(packet_id, key);
        self.changed = true;
    }

    /// The message is done with. `count` tells where that is counted.
    pub(super) fn done(&mut self, key: u64, count: impl Fn(&mut Totals) -> &mut u64) {
        let Some(bytes) = self.loaded.remove(&key) else { return };
        self.live.messages = self.live.messages.saturating_sub(1);
        self.live.bytes = self.live.bytes.saturating_sub(bytes);
        self.progress.done.insert(key, key.saturating_add(1));
        self.progress.packet_ids.retain(|_, message| *message != key);
        *count(&mut self.progress.totals) += 1;
        self.changed = true;
    }

    fn set_damaged_aside(&mut self, id: u64, from: u64, to: u64, why: Damage) -> io::Result<()> {
        self.check()?;
        if set_aside::damaged(&self.files, id, from, to, why)? {
            self.progress.totals.damaged += 1;
            self.progress.totals.set_aside += 1;
            self.changed = true;
        }
        warn!(segment = %name(id), from, to, "damaged bytes of the durable outbox were set aside");
        Ok(())
    }

    /// Messages that were read and are not done with.
    pub(super) fn loaded_depth(&self) -> Depth {
        Depth { messages: self.loaded.len() as u64, bytes: self.loaded.values().sum() }
    }

    /// Whether a message that was sent waits to be read.
    pub(super) fn has_sent_unread(&self) -> bool {
        let unread = |key: &&u64| **key > self.last_read && !self.progress.done.contains(**key);
        self.progress.packet_ids.values().any(|key| unread(&key))
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        self.check()?;
        let open = self.segments.back().filter(|_| self.file.is_some());
        if let Some(summary) = open.map(|segment| segment.summary) {
            self.write(Kind::Seal, 0, &summary.encode())?;
            self.sync()?;
        }
        let id = self.next_id;
        self.next_id += 1;
        let file = self.files.open_to_write(&name(id));
        self.file = Some(self.failing(file)?);
        self.names_changed = true;
        self.segments.push_back(Segment { id, summary: Summary::default(), length: 0 });
        let written = self.write_progress().and_then(|()| self.flush());
        if written.is_err() {
            // Each attempt to write to a full disk would leave an empty file.
            self.segments.pop_back();
            self.tail.clear();
            let _ = self.files.remove(&name(id));
        }
        written
    }

    fn write_progress(&mut self) -> io::Result<()> {
        let body = self.progress.encode();
        self.write(Kind::Progress, 0, &body)?;
        self.changed = false;
        Ok(())
    }

    /// Appends a record to the last segment, and returns its length.
    fn write(&mut self, kind: Kind, key: u64, body: &[u8]) -> io::Result<u64> {
        if self.tail.len() >= MOST_IN_MEMORY {
            self.flush()?;
        }
        let segment = self.segments.back_mut().filter(|_| self.file.is_some()).ok_or_else(failed)?;
        let before = self.tail.len() as u64;
        record::append(&mut self.tail, segment.id, segment.length - before, kind, key, body);
        let length = self.tail.len() as u64 - before;
        segment.length += length;
        self.progress.totals.written_bytes += length;
        Ok(length)
    }

    /// Writes what was appended into the file.
    fn flush(&mut self) -> io::Result<()> {
        if !self.tail.is_empty() {
            let end = self.segments.back().map_or(0, |segment| segment.length);
            let file = self.file.as_ref().ok_or_else(failed)?;
            let written = self.files.write_all_at(file, end - self.tail.len() as u64, &self.tail);
            self.failing(written)?;
            self.tail.clear();
            self.dirty = true;
        }
        Ok(())
    }

    /// Returns when everything that was appended is on stable storage, the file's name as well.
    fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        if self.dirty {
            let synced = self.file.as_ref().map_or_else(|| Err(failed()), |file| self.files.sync(file));
            self.failing(synced)?;
            self.dirty = false;
        }
        if self.names_changed {
            let synced = self.files.sync_directory();
            self.failing(synced)?;
            self.names_changed = false;
        }
        Ok(())
    }

    /// Removes the segments whose messages are all done with. Only after a commit: the progress that stands in one of them
    /// is then no longer needed.
    fn remove_segments(&mut self) -> io::Result<()> {
        let last = self.segments.back().map(|segment| segment.id);
        let reading = self.reader.as_ref().map_or(0, |reader| reader.id);
        let is_over = |Segment { id, summary, .. }: &&Segment| {
            let done = self.progress.done.covers(summary.first, summary.last.saturating_add(1));
            // A segment without messages may hold damaged bytes, which are still to be set aside.
            Some(*id) != last && done && (reading > *id || summary.depth.messages > 0)
        };
        let over: Vec<u64> = self.segments.iter().filter(is_over).map(|segment| segment.id).collect();
        for id in over {
            match self.files.remove(&name(id)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return self.failing(Err(error)),
                _ => self.segments.retain(|segment| segment.id != id),
            }
        }
        Ok(())
    }

    /// An error when a call has failed before.
    fn check(&self) -> io::Result<()> {
        if self.failed { Err(failed()) } else { Ok(()) }
    }

    /// Notes whether the call has failed.
    fn failing<R>(&mut self, result: io::Result<R>) -> io::Result<R> {
        if result.is_err() {
            self.failed = true;
            self.file = None;
        }
        result
    }
}

fn failed() -> io::Error {
    io::Error::other("the store has failed before and was not opened again yet")
}
