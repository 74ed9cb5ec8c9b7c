//! The log: messages are appended, read in their order, and told as done with.
//!
//! A segment is a file of records. The log appends to one segment, which it has made itself. What an earlier process or a
//! failed write has left in a file is read, and no message is ever written behind it: when the log is opened, a torn end is
//! cut off and a seal is put there.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use super::files::Files;
use super::message::StoredMessage;
use super::progress::{Progress, Totals};
use super::reader::{Damage, Item, Reader};
use super::record::{self, HEADER, Kind, Record, Summary};
use super::recovery::{Recovered, recover};
use super::segment::name;
use super::set_aside::SetAside;

pub(super) struct Log<F: Files> {
    files: F,
    segment_bytes: u64,
    /// The oldest first.
    segments: VecDeque<Segment>,
    next_id: u64,
    /// The file of the last segment, if that is appended to.
    writer: Option<F::File>,
    /// A write or a sync has failed: nothing is written before the log was opened again.
    failed: bool,
    progress: Progress,
    /// The progress is not what was written last.
    changed: bool,
    /// Something was written and not synced.
    dirty: bool,
    /// A file was made, and its name was not synced.
    names_changed: bool,
    reader: Option<(u64, Reader<F::File>)>,
    last_read: u64,
    /// Messages that were read and are not done with, each with the length of its record.
    loaded: BTreeMap<u64, u64>,
    live: Depth,
}

pub(super) struct Segment {
    pub(super) id: u64,
    pub(super) summary: Summary,
    /// Bytes of the file that count.
    pub(super) length: u64,
}

/// How many messages, and the bytes of their records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Depth {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Acknowledged,
    Expired,
    Dropped,
    SetAside,
}

/// What is read from the log.
pub(super) enum Loaded {
    /// A message, the packet id under which it was sent, and the length of its record.
    Message(StoredMessage, Option<u16>, u64),
    /// Bytes that are no record were set aside.
    Damaged { segment: String, from: u64, to: u64 },
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
            writer: None,
            failed: false,
            progress,
            changed: false,
            dirty: false,
            names_changed: false,
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
        if self.writer.is_none() || full {
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
        self.live.messages += 1;
        self.live.bytes += length;
        Ok(())
    }

    /// The next commit writes the totals, whatever else there is to write.
    pub(super) fn save_totals(&mut self) {
        self.changed = true;
    }

    /// Returns when everything that was appended, and what became of all messages, is on stable storage.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        if self.failed {
            return Err(failed());
        }
        if self.changed {
            if self.writer.is_none() {
                self.begin_segment()?;
            } else {
                self.write_progress()?;
            }
        }
        self.sync()?;
        if self.names_changed {
            let synced = self.files.sync_directory();
            self.failing(synced)?;
            self.names_changed = false;
        }
        self.remove_segments()
    }

    /// The next message that was not read yet.
    ///
    /// # Errors
    /// When a segment cannot be opened, or when damaged bytes cannot be set aside.
    pub(super) fn next(&mut self) -> io::Result<Option<Loaded>> {
        loop {
            let at = self.reader.as_ref().map_or(0, |(id, _)| *id);
            let Some(segment) = self.segments.iter().find(|segment| segment.id >= at) else { break };
            let (id, length) = (segment.id, segment.length);
            let open = match self.reader.take() {
                Some((open, reader)) if open == id => reader,
                _ => Reader::new(self.files.open(&name(id))?, id),
            };
            let (_, reader) = self.reader.insert((id, open));
            let before = reader.offset;
            match reader.next(&self.files, length) {
                Some(Item::Record(Record::Message(message), length)) => {
                    if let Some(loaded) = self.loaded(message, length) {
                        return Ok(Some(loaded));
                    }
                }
                Some(Item::Record(..) | Item::Damaged { why: Damage::Torn, .. }) => {}
                Some(Item::Damaged { from, to, why }) => {
                    if let Err(error) = self.set_damaged_aside(id, from, to, why) {
                        // It is read again when it can be set aside.
                        if let Some((_, reader)) = &mut self.reader {
                            reader.offset = before;
                        }
                        return Err(error);
                    }
                    return Ok(Some(Loaded::Damaged { segment: name(id), from, to }));
                }
                None => match self.segments.iter().find(|segment| segment.id > id).map(|next| next.id) {
                    Some(next) => {
                        let file = self.files.open(&name(next))?;
                        self.reader = Some((next, Reader::new(file, next)));
                    }
                    None => break,
                },
            }
        }
        // Everything was read: whatever was counted beyond this does not exist.
        self.live = Depth { messages: self.loaded.len() as u64, bytes: self.loaded.values().sum() };
        Ok(None)
    }

    fn loaded(&mut self, message: StoredMessage, length: u64) -> Option<Loaded> {
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
        Some(Loaded::Message(message, self.progress.packet_id(key), length))
    }

    /// The message was sent under that packet id.
    pub(super) fn sent(&mut self, key: u64, packet_id: u16) {
        self.progress.packet_ids.retain(|_, message| *message != key);
        self.progress.packet_ids.insert(packet_id, key);
        self.changed = true;
    }

    /// The message is done with.
    pub(super) fn done(&mut self, key: u64, how: Done) {
        let Some(bytes) = self.loaded.remove(&key) else { return };
        self.live.messages = self.live.messages.saturating_sub(1);
        self.live.bytes = self.live.bytes.saturating_sub(bytes);
        self.progress.done(key);
        let totals = &mut self.progress.totals;
        *match how {
            Done::Acknowledged => &mut totals.acknowledged,
            Done::Expired => &mut totals.expired,
            Done::Dropped => &mut totals.dropped,
            Done::SetAside => &mut totals.set_aside,
        } += 1;
        self.changed = true;
    }

    /// Writes a message into the file of those that are set aside. It is on stable storage when this returns.
    pub(super) fn set_message_aside(&mut self, key: u64, reason: &str, body: &[u8]) -> io::Result<()> {
        SetAside::new(&self.files).message(key, reason, body)
    }

    fn set_damaged_aside(&mut self, id: u64, from: u64, to: u64, why: Damage) -> io::Result<()> {
        if self.failed {
            return Err(failed());
        }
        let file = self.files.open(&name(id))?;
        if SetAside::new(&self.files).damaged(id, &file, from, to, why)? {
            self.progress.totals.damaged += 1;
            self.progress.totals.set_aside += 1;
            self.changed = true;
        }
        Ok(())
    }

    pub(super) fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    pub(super) fn live(&self) -> Depth {
        self.live
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

    pub(super) fn totals(&self) -> Totals {
        self.progress.totals
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        if let Some(summary) = self.segments.back().filter(|_| self.writer.is_some()).map(|one| one.summary) {
            self.write(Kind::Seal, 0, &summary.encode())?;
            self.sync()?;
            self.writer = None;
        }
        if self.failed {
            return Err(failed());
        }
        let id = self.next_id;
        self.next_id += 1;
        let file = self.files.open_to_write(&name(id));
        self.writer = Some(self.failing(file)?);
        self.segments.push_back(Segment { id, summary: Summary::default(), length: 0 });
        self.names_changed = true;
        let written = self.write_progress();
        if written.is_err() {
            // Each attempt to write to a full disk would leave an empty file.
            self.segments.pop_back();
            let _ = self.files.remove(&name(id));
        }
        written
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            let synced = self.writer.as_ref().map_or_else(|| Err(failed()), |file| self.files.sync(file));
            self.failing(synced)?;
            self.dirty = false;
        }
        Ok(())
    }

    fn write_progress(&mut self) -> io::Result<()> {
        let body = self.progress.encode();
        self.progress.totals.written_bytes += (HEADER + body.len()) as u64;
        let body = self.progress.encode();
        self.write(Kind::Progress, 0, &body)?;
        self.progress.totals.written_bytes -= (HEADER + body.len()) as u64;
        self.changed = false;
        Ok(())
    }

    /// Appends a record to the last segment, and returns its length.
    fn write(&mut self, kind: Kind, key: u64, body: &[u8]) -> io::Result<u64> {
        let (Some(file), Some(segment)) = (&self.writer, self.segments.back_mut()) else {
            return Err(failed());
        };
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        record::append(&mut bytes, segment.id, segment.length, kind, key, body);
        let written = self.files.write_all_at(file, segment.length, &bytes);
        if written.is_ok() {
            segment.length += bytes.len() as u64;
            self.progress.totals.written_bytes += bytes.len() as u64;
            self.dirty = true;
        }
        self.failing(written)?;
        Ok(bytes.len() as u64)
    }

    /// After an error, the file is not written to any more: what the kernel has kept of it is not known.
    fn failing<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.failed = true;
            self.writer = None;
        }
        result
    }

    /// Removes the segments whose messages are all done with. Only after a commit: the progress that stands in one of them
    /// is then no longer needed.
    fn remove_segments(&mut self) -> io::Result<()> {
        let last = self.segments.back().map(|segment| segment.id);
        let reading = self.reader.as_ref().map(|(id, _)| *id);
        let mut index = 0;
        while let Some(Segment { id, summary, .. }) = self.segments.get(index) {
            let id = *id;
            let done = self.progress.done.covers(summary.first, summary.last.saturating_add(1));
            // A segment without messages may hold damaged bytes, which are still to be set aside.
            let read = reading.is_some_and(|reading| reading > id) || summary.messages > 0;
            if Some(id) != last && done && read {
                match self.files.remove(&name(id)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return self.failing(Err(error)),
                    _ => drop(self.segments.remove(index)),
                }
            } else if reading.is_some_and(|reading| reading < id) {
                break;
            } else {
                index += 1;
            }
        }
        Ok(())
    }
}

fn failed() -> io::Error {
    io::Error::other("the store has failed before and was not opened again yet")
}
