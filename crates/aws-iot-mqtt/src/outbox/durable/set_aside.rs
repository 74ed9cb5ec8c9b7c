//! The file of what was set aside: messages that the server refuses, and bytes that are no record.

use std::io;
use std::time::SystemTime;

use bytes::{Buf as _, BufMut as _, Bytes};

use super::files::Files;
use super::message::{StoredMessage, milliseconds, put, text, time};
use super::reader::{Damage, Item, Reader};
use super::record::{self, Kind, Record};
use super::segment;

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

/// Sets a message aside. It is on stable storage when this returns.
pub(super) fn message<F: Files>(files: &F, key: u64, reason: &str, message: &[u8]) -> io::Result<()> {
    let mut body = begin(reason);
    body.put_slice(message);
    append(files, (Kind::SetAsideMessage, key, 0), &body).map(drop)
}

/// Sets bytes of the segment `id` aside. Returns whether they were not there before.
pub(super) fn damaged<F: Files>(files: &F, id: u64, from: u64, to: u64, why: Damage) -> io::Result<bool> {
    let (reason, keep) = match why {
        Damage::Torn | Damage::Altered => ("damaged: these bytes are not what was written", to - from),
        Damage::Unreadable => ("damaged: the disk does not read these bytes", 0),
    };
    let mut bytes = vec![0; usize::try_from(keep.min(KEPT)).unwrap_or(0)];
    let file = files.open(&segment::name(id))?;
    let read = files.read_all_at(&file, from, &mut bytes).unwrap_or(0);
    let mut body = begin(reason);
    body.put_u64_le(from);
    body.extend(bytes.into_iter().take(read));
    append(files, (Kind::SetAsideBytes, id, from), &body)
}

/// Everything that was set aside, the oldest first.
pub(super) fn items<F: Files>(files: &F) -> io::Result<Vec<SetAsideItem>> {
    let mut items = Vec::new();
    for name in NAMES {
        let mut reader = match Reader::open(files, name, ID) {
            Ok(reader) => reader,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        while let Some(item) = reader.next(files, &[]) {
            items.extend(match item {
                Item::Record(Record::SetAside(item), _) => Some(item),
                _ => None,
            });
        }
    }
    Ok(items)
}

/// Appends a record, unless one of that place is there: it was set aside before a crash.
fn append<F: Files>(files: &F, place: (Kind, u64, u64), body: &[u8]) -> io::Result<bool> {
    if items(files)?.iter().any(|item| item.place() == place) {
        return Ok(false);
    }
    let [old, current] = NAMES;
    let mut file = files.open_to_write(current)?;
    let mut length = files.length(&file)?;
    if length >= FULL {
        files.rename(current, old)?;
        file = files.open_to_write(current)?;
        length = 0;
    }
    // Behind whatever a power failure has left: records are found again wherever they begin.
    let (mut bytes, (kind, key, _)) = (Vec::new(), place);
    record::append(&mut bytes, ID, length, kind, key, body);
    files.write_all_at(&file, length, &bytes)?;
    files.sync(&file)?;
    files.sync_directory()?;
    Ok(true)
}

impl SetAsideItem {
    /// The kind of record, the key of the message or of the segment, and the place in the segment.
    fn place(&self) -> (Kind, u64, u64) {
        match &self.what {
            SetAsideContent::Message(message) => (Kind::SetAsideMessage, message.key, 0),
            SetAsideContent::Bytes { segment, offset, .. } => (Kind::SetAsideBytes, *segment, *offset),
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
