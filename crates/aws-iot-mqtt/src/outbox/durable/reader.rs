//! The records of one file, one after the other, whatever state the file is in.

use std::io;

use super::files::Files;
use super::record::{HEADER, Header, Record};

/// Bytes of one read.
const CHUNK: u64 = 64 * 1024;
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
    file: T,
    pub(super) id: u64,
    pub(super) offset: u64,
    /// Where the records end: the end of the file, as it was when it was opened.
    pub(super) end: u64,
    /// Bytes of the file from `begin` on.
    buffer: Vec<u8>,
    begin: u64,
}

impl<T> Reader<T> {
    /// Opens a file. Its id is part of the checksums.
    pub(super) fn open<F: Files<File = T>>(files: &F, name: &str, id: u64) -> io::Result<Self> {
        let file = files.open(name)?;
        let end = files.length(&file)?;
        Ok(Self { file, id, offset: 0, end, buffer: Vec::new(), begin: 0 })
    }

    /// What comes next. Each call that returns something comes nearer to the end. `tail`: the last bytes before the end, as far as they
    /// are not in the file yet.
    pub(super) fn next<F: Files<File = T>>(&mut self, files: &F, tail: &[u8]) -> Option<Item> {
        let (id, from) = (self.id, self.offset);
        if from >= self.end {
            return None;
        }
        let header = match self.peek(files, tail, HEADER as u64) {
            Err(_) => return Some(self.unreadable()),
            Ok(bytes) => Header::parse(id, from, bytes),
        };
        let complete = header.filter(|header| header.length() <= self.end - from);
        let Some(complete) = complete else { return Some(self.skip(files, tail, header.is_none())) };
        let length = complete.length();
        let record = match self.peek(files, tail, length) {
            Err(_) => return Some(self.unreadable()),
            Ok(bytes) => complete.record(bytes.get(HEADER..).unwrap_or_default()),
        };
        // The header is sound, so its length is: the next record follows.
        self.offset = from + length;
        Some(match record {
            Some(record) => Item::Record(record, length),
            None => Item::Damaged { from, to: self.offset, why: Damage::Altered },
        })
    }

    /// Looks for the next record.
    fn skip<F: Files<File = T>>(&mut self, files: &F, tail: &[u8], complete: bool) -> Item {
        let (id, from, mut zeros) = (self.id, self.offset, true);
        loop {
            let offset = self.offset;
            let bytes = match self.peek(files, tail, HEADER as u64) {
                Err(_) if offset == from => return self.unreadable(),
                bytes => bytes.ok(),
            };
            if bytes.is_none_or(|bytes| offset > from && Header::parse(id, offset, bytes).is_some()) {
                return Item::Damaged { from, to: offset, why: Damage::Altered };
            }
            zeros &= bytes.and_then(<[u8]>::first).is_none_or(|byte| *byte == 0);
            self.offset += 1;
            if self.offset >= self.end {
                // Records are written in one piece: what the power failure left is cut off, or was never written.
                let torn = !complete || zeros || self.end - from < HEADER as u64;
                let why = if torn { Damage::Torn } else { Damage::Altered };
                return Item::Damaged { from, to: self.end, why };
            }
        }
    }

    fn unreadable(&mut self) -> Item {
        let from = self.offset;
        self.offset = ((from / BLOCK + 1) * BLOCK).min(self.end);
        Item::Damaged { from, to: self.offset, why: Damage::Unreadable }
    }

    /// The next `length` bytes, fewer only at the end.
    fn peek<F: Files<File = T>>(&mut self, files: &F, tail: &[u8], length: u64) -> io::Result<&[u8]> {
        let left = self.end.saturating_sub(self.offset);
        let length = length.min(left);
        let held = self.begin + self.buffer.len() as u64;
        if self.offset < self.begin || self.offset + length > held {
            // Not more than is needed, once a larger piece could not be read.
            self.fill(files, tail, length.max(CHUNK).min(left))
                .or_else(|_| self.fill(files, tail, length))?;
        }
        let at = usize::try_from(self.offset - self.begin).unwrap_or(usize::MAX);
        let rest = self.buffer.get(at..).unwrap_or_default();
        // Too short where the file is shorter than it was.
        usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(..length))
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn fill<F: Files<File = T>>(&mut self, files: &F, tail: &[u8], length: u64) -> io::Result<()> {
        self.begin = self.offset;
        let in_file = self.end.saturating_sub(tail.len() as u64);
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let (from_file, skipped) = (in_file.saturating_sub(self.begin), self.begin.saturating_sub(in_file));
        let wanted = size(length.min(from_file));
        self.buffer.clear();
        self.buffer.resize(wanted, 0);
        let mut read = Ok(0);
        for _ in 0..TRIES {
            read = files.read_all_at(&self.file, self.begin, &mut self.buffer);
            if read.is_ok() {
                break;
            }
        }
        self.buffer.truncate(*read.as_ref().unwrap_or(&0));
        if read? == wanted {
            let rest = tail.get(size(skipped)..).unwrap_or_default();
            self.buffer.extend(rest.iter().take(size(length) - wanted));
        }
        Ok(())
    }
}
