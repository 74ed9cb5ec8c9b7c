//! The records of one file, one after the other, whatever state the file is in.

use std::io;

use super::files::ReadAt;
use super::record::{HEADER, Header, Record};

/// Bytes of one read.
const CHUNK: usize = 64 * 1024;
/// A disk cannot read less than this, so this is what is lost where it cannot read.
const BLOCK: u64 = 4096;
/// How often a read is tried.
const TRIES: usize = 3;

/// What is at a place in the file.
#[derive(Debug)]
pub(super) enum Item {
    /// A record, and its length in bytes.
    Record(Record, u64),
    /// Bytes from `from` to before `to` that are no record.
    Damaged { from: u64, to: u64, why: Damage },
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// The end of the file: the last write was not finished when the power failed.
    Torn,
    /// The bytes are not what was written.
    Altered,
    /// The disk does not read them.
    Unreadable,
}

pub(super) struct Reader<T> {
    pub(super) file: T,
    id: u64,
    pub(super) offset: u64,
    /// Bytes of the file from `begin` on.
    buffer: Vec<u8>,
    begin: u64,
}

impl<T> Reader<T> {
    pub(super) fn new(file: T, id: u64) -> Self {
        Self { file, id, offset: 0, buffer: Vec::new(), begin: 0 }
    }

    /// What comes next before `end`. Each call that returns something comes nearer to the end.
    pub(super) fn next<S: ReadAt<T>>(&mut self, source: &S, end: u64) -> Option<Item> {
        if self.offset >= end {
            return None;
        }
        let from = self.offset;
        let (id, mut complete) = (self.id, true);
        let found = match self.peek(source, end, HEADER as u64) {
            Err(_) => return Some(self.unreadable(from, end)),
            Ok(bytes) => Header::parse(id, from, bytes),
        };
        if let Some(header) = found {
            let length = header.length();
            complete = length <= end - from;
            if complete {
                match self.peek(source, end, length) {
                    Err(_) => return Some(self.unreadable(from, end)),
                    Ok(bytes) => {
                        let body = bytes.get(HEADER..).unwrap_or_default();
                        let record = header.record(body);
                        // The header is sound, so its length is: the next record follows.
                        self.offset = from + length;
                        return Some(match record {
                            Some(record) => Item::Record(record, length),
                            None => Item::Damaged { from, to: self.offset, why: Damage::Altered },
                        });
                    }
                }
            }
        }
        Some(self.skip(source, from, end, complete))
    }

    /// Looks for the next record.
    fn skip<S: ReadAt<T>>(&mut self, source: &S, from: u64, end: u64, complete: bool) -> Item {
        let (id, mut zeros) = (self.id, true);
        loop {
            let offset = self.offset;
            let Ok(bytes) = self.peek(source, end, HEADER as u64) else {
                if offset > from {
                    return Item::Damaged { from, to: offset, why: Damage::Altered };
                }
                return self.unreadable(from, end);
            };
            if offset > from && Header::parse(id, offset, bytes).is_some() {
                return Item::Damaged { from, to: offset, why: Damage::Altered };
            }
            zeros &= bytes.first().is_none_or(|byte| *byte == 0);
            self.offset += 1;
            if self.offset >= end {
                // Records are written in one piece: what the power failure left is cut off, or was never written.
                let torn = !complete || zeros || end - from < HEADER as u64;
                let why = if torn { Damage::Torn } else { Damage::Altered };
                return Item::Damaged { from, to: end, why };
            }
        }
    }

    fn unreadable(&mut self, from: u64, end: u64) -> Item {
        self.offset = ((from / BLOCK + 1) * BLOCK).min(end);
        Item::Damaged { from, to: self.offset, why: Damage::Unreadable }
    }

    /// The next `length` bytes of the file, fewer only at the end.
    fn peek<S: ReadAt<T>>(&mut self, source: &S, end: u64, length: u64) -> io::Result<&[u8]> {
        let length = length.min(end.saturating_sub(self.offset));
        let held = self.begin + self.buffer.len() as u64;
        if self.offset < self.begin || self.offset + length > held {
            // Not more than is needed, once a larger piece could not be read.
            let much = length.max(CHUNK as u64).min(end - self.offset);
            let read = self.fill(source, much);
            let read = if read.is_err() { self.fill(source, length) } else { read };
            read?;
        }
        let at = usize::try_from(self.offset - self.begin).unwrap_or(usize::MAX);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let rest = self.buffer.get(at..).unwrap_or_default();
        let bytes = rest.get(..length).unwrap_or(rest);
        if bytes.len() < length {
            // The file is shorter than it was.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }

    fn fill<S: ReadAt<T>>(&mut self, source: &S, length: u64) -> io::Result<()> {
        self.buffer.clear();
        self.buffer.resize(usize::try_from(length).unwrap_or(CHUNK), 0);
        self.begin = self.offset;
        let (mut filled, mut tries) = (0, TRIES);
        while let Some(rest) = self.buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match source.read_at(&self.file, self.begin + filled as u64, rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tries -= 1;
                    if tries == 0 {
                        self.buffer.clear();
                        return Err(error);
                    }
                }
            }
        }
        self.buffer.truncate(filled);
        Ok(())
    }
}
