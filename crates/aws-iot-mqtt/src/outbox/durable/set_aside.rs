//! The file of what was set aside: messages that the server refuses, and bytes that are no record.

use std::io;
use std::time::SystemTime;

use bytes::{Buf as _, BufMut as _, Bytes};

use super::files::Files;
use super::message::{StoredMessage, milliseconds, put, text, time};
use super::reader::{Damage, Item, Reader};
use super::record::{self, Kind, Record};

/// The file, and the one before it.
pub(super) const NAMES: [&str; 2] = ["set-aside.old", "set-aside"];
/// The id of both files in the checksums: the one becomes the other.
const ID: u64 = 0;
/// Bytes after which the file is put in the place of the one before it: what is set aside must not fill the disk.
const FULL: u64 = 1024 * 1024;
/// Most bytes that are kept of one damaged place.
const KEPT: u64 = 64 * 1024;

/// Something that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetAsideItem {
    /// When it was set aside, by the wall clock.
    pub at: SystemTime,
    /// Why.
    pub reason: String,
    /// What it is.
    pub what: SetAsideContent,
}

/// What was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetAsideContent {
    /// A message that the server did not take.
    Message(StoredMessage),
    /// Bytes of a damaged file.
    Bytes {
        /// The number of the file.
        segment: u64,
        /// Where in the file they began.
        offset: u64,
        /// The bytes; none where the disk could not read them.
        bytes: Bytes,
    },
}

pub(super) struct SetAside<'a, F> {
    files: &'a F,
}

impl<'a, F: Files> SetAside<'a, F> {
    pub(super) fn new(files: &'a F) -> Self {
        Self { files }
    }

    pub(super) fn message(&self, key: u64, reason: &str, message: &[u8]) -> io::Result<()> {
        let mut body = begin(reason);
        body.put_slice(message);
        self.append(
            Kind::SetAsideMessage,
            key,
            &body,
            |item| matches!(&item.what, SetAsideContent::Message(message) if message.key == key),
        )?;
        Ok(())
    }

    /// Returns whether it was not there before.
    pub(super) fn damaged(
        &self,
        id: u64,
        file: &F::File,
        from: u64,
        to: u64,
        why: Damage,
    ) -> io::Result<bool> {
        let (reason, keep) = match why {
            Damage::Torn | Damage::Altered => ("damaged: these bytes are not what was written", to - from),
            Damage::Unreadable => ("damaged: the disk does not read these bytes", 0),
        };
        let mut bytes = vec![0; usize::try_from(keep.min(KEPT)).unwrap_or(0)];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.files.read_at(file, from + filled as u64, rest) {
                Ok(0) | Err(_) => break,
                Ok(count) => filled += count,
            }
        }
        bytes.truncate(filled);
        let mut body = begin(reason);
        body.put_u64_le(from);
        body.put_slice(&bytes);
        self.append(
            Kind::SetAsideBytes,
            id,
            &body,
            |item| matches!(item.what, SetAsideContent::Bytes { segment, offset, .. } if segment == id && offset == from),
        )
    }

    /// Everything, the oldest first.
    pub(super) fn items(&self) -> io::Result<Vec<SetAsideItem>> {
        let mut items = Vec::new();
        for name in NAMES {
            match self.files.open(name) {
                Ok(file) => {
                    let length = self.files.length(&file)?;
                    self.read(file, length, |item| items.push(item));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(items)
    }

    /// Appends a record, unless one like it is there: it was set aside before a crash.
    fn append(
        &self,
        kind: Kind,
        key: u64,
        body: &[u8],
        is_same: impl Fn(&SetAsideItem) -> bool,
    ) -> io::Result<bool> {
        if self.items()?.iter().any(is_same) {
            return Ok(false);
        }
        let [old, current] = NAMES;
        let mut file = self.files.open_to_write(current)?;
        let mut length = self.files.length(&file)?;
        if length >= FULL {
            self.files.rename(current, old)?;
            file = self.files.open_to_write(current)?;
            length = 0;
        }
        // Behind whatever a power failure has left: records are found again wherever they begin.
        let mut bytes = Vec::new();
        record::append(&mut bytes, ID, length, kind, key, body);
        self.files.write_all_at(&file, length, &bytes)?;
        self.files.sync(&file)?;
        self.files.sync_directory()?;
        Ok(true)
    }

    fn read(&self, file: F::File, length: u64, mut found: impl FnMut(SetAsideItem)) {
        let mut reader = Reader::new(file, ID);
        while let Some(item) = reader.next(self.files, length) {
            let Item::Record(Record::SetAside(header, body), _) = item else { continue };
            if let Some(item) = decode(header.kind, header.key, &body) {
                found(item);
            }
        }
    }
}

fn begin(reason: &str) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_u64_le(milliseconds(SystemTime::now()));
    put(&mut body, reason.as_bytes());
    body
}

pub(super) fn decode(kind: Kind, key: u64, body: &[u8]) -> Option<SetAsideItem> {
    let body = &mut &*body;
    let at = time(body.try_get_u64_le().ok()?)?;
    let reason = text(body)?;
    let what = match kind {
        Kind::SetAsideMessage => SetAsideContent::Message(StoredMessage::decode(key, body)?),
        Kind::SetAsideBytes => {
            let offset = body.try_get_u64_le().ok()?;
            SetAsideContent::Bytes { segment: key, offset, bytes: Bytes::copy_from_slice(body) }
        }
        _ => return None,
    };
    Some(SetAsideItem { at, reason, what })
}
