//! Looking into a store, without a client. A program may have it open meanwhile, but for [`clear`].

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::SystemTime;

use super::failed;
use super::files::{Directory, Files as _, Lock, volatile};
use super::message::StoredMessage;
use super::progress::{Progress, Ranges, Totals};
use super::reader::{Damage, Item, Reader};
use super::record::Record;
use super::segment::{name, scan, segment_ids};
use super::set_aside::{self, NAMES, SetAsideItem};
use crate::Error;

/// What is in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Which process has it.
    pub owner: Option<String>,
    /// Why it probably does not survive a power failure: the kind of file system that it is on.
    pub volatile: Option<&'static str>,
    /// Messages that the server has not acknowledged.
    pub messages: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// When the oldest of them was accepted.
    pub oldest: Option<SystemTime>,
    /// Damaged places that were not set aside yet.
    pub damaged: u64,
    /// Messages and damaged records that were set aside, and are still there.
    pub set_aside: u64,
    /// Bytes of the files.
    pub file_bytes: u64,
    /// What was counted since the store was made.
    pub totals: Totals,
}

/// The messages of a store, the oldest first. Made by [`messages`].
pub struct StoredMessages {
    files: Directory,
    segments: VecDeque<u64>,
    reader: Option<Reader<File>>,
    progress: Progress,
    damaged: u64,
}

/// What is in the store of that directory.
///
/// # Errors
/// When there is no store, or it cannot be read.
pub fn status(directory: &Path) -> Result<Status, Error> {
    let mut messages = messages(directory)?;
    let length = |id: &u64| fs::metadata(directory.join(name(*id))).map_or(0, |file| file.len());
    let file_bytes = messages.segments.iter().map(length).sum();
    let (mut count, mut payload_bytes, mut oldest) = (0, 0, None);
    for message in messages.by_ref() {
        count += 1;
        payload_bytes += message.payload.len() as u64;
        oldest = oldest.or(Some(message.accepted));
    }
    Ok(Status {
        owner: Lock::owner(directory),
        volatile: volatile(directory),
        messages: count,
        payload_bytes,
        oldest,
        damaged: messages.damaged,
        set_aside: set_aside(directory)?.len() as u64,
        file_bytes,
        totals: messages.progress.totals,
    })
}

/// The messages of the store in that directory.
///
/// # Errors
/// When there is no store, or it cannot be read.
pub fn messages(directory: &Path) -> Result<StoredMessages, Error> {
    let failed = |error| failed(directory, "be read", error);
    let files = Directory(directory.to_owned());
    let segments = segment_ids(&files).map_err(failed)?;
    if segments.is_empty() && !Lock::exists(directory) {
        return Err(failed(io::Error::new(ErrorKind::NotFound, "there is no durable outbox in it")));
    }
    let mut progress = Progress::default();
    // The newest one counts.
    for id in segments.iter().rev() {
        let reader = Reader::open(&files, &name(*id), *id).map_err(failed)?;
        if let Some(found) = scan(&files, reader, &Ranges::default()).progress {
            progress = found;
            break;
        }
    }
    Ok(StoredMessages { files, segments: segments.into(), reader: None, progress, damaged: 0 })
}

/// What was set aside in the store of that directory, the oldest first.
///
/// # Errors
/// When it cannot be read.
pub fn set_aside(directory: &Path) -> Result<Vec<SetAsideItem>, Error> {
    set_aside::items(&Directory(directory.to_owned())).map_err(|error| failed(directory, "be read", error))
}

/// Removes what was set aside and, unless `only_set_aside`, all messages and counts, from the store of that directory.
///
/// # Errors
/// When a process has the store, or when a file cannot be removed.
pub fn clear(directory: &Path, only_set_aside: bool) -> Result<(), Error> {
    let failed = |error| failed(directory, "be cleared", error);
    let files = Directory(directory.to_owned());
    // Before the lock makes a file: no store is made where none was.
    let segments = segment_ids(&files).map_err(failed)?;
    let _lock = Lock::take(directory)?;
    let mut names: Vec<String> = NAMES.map(str::to_owned).into();
    if !only_set_aside {
        names.extend(segments.into_iter().map(name));
    }
    for name in names {
        match files.remove(&name) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    files.sync_directory().map_err(failed)
}

impl Iterator for StoredMessages {
    type Item = StoredMessage;

    fn next(&mut self) -> Option<StoredMessage> {
        loop {
            match self.reader.as_mut().and_then(|reader| reader.next(&self.files, &[])) {
                Some(Item::Record(Record::Message(message), _))
                    if !self.progress.done.contains(message.key) =>
                {
                    return Some(message);
                }
                Some(Item::Record(..) | Item::Damaged { why: Damage::Torn, .. }) => {}
                Some(Item::Damaged { .. }) => self.damaged += 1,
                None => {
                    let id = self.segments.pop_front()?;
                    // A program that has the store may have removed the segment meanwhile: its messages are done with.
                    self.reader = Reader::open(&self.files, &name(id), id).ok();
                }
            }
        }
    }
}
