//! Looking into a store, without a client. A program may have it open meanwhile, but for [`clear`].

use std::collections::VecDeque;
use std::path::Path;
use std::time::SystemTime;

use super::failed;
use super::files::{Directory, Files as _, volatile};
use super::lock::Lock;
use super::message::StoredMessage;
use super::progress::{Progress, Totals};
use super::reader::{Damage, Item, Reader};
use super::record::Record;
use super::segment::{name, scan, segment_ids};
use super::set_aside::{NAMES, SetAside, SetAsideItem};
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
    reader: Option<(Reader<std::fs::File>, u64)>,
    progress: Progress,
    damaged: u64,
}

/// What is in the store of that directory.
///
/// # Errors
/// When there is no store, or it cannot be read.
pub fn status(directory: &Path) -> Result<Status, Error> {
    let mut messages = messages(directory)?;
    let files = Directory(directory.to_owned());
    let mut file_bytes = 0;
    for id in &messages.segments {
        file_bytes += files.open(&name(*id)).and_then(|file| files.length(&file)).unwrap_or(0);
    }
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
        let error = std::io::Error::new(std::io::ErrorKind::NotFound, "there is no durable outbox in it");
        return Err(failed(error));
    }
    let mut progress = None;
    // The newest one counts.
    for id in segments.iter().rev() {
        let file = files.open(&name(*id)).map_err(failed)?;
        let length = files.length(&file).map_err(failed)?;
        progress = scan(&files, Reader::new(file, *id), length).progress;
        if progress.is_some() {
            break;
        }
    }
    let progress = progress.unwrap_or_default();
    Ok(StoredMessages { files, segments: segments.into(), reader: None, progress, damaged: 0 })
}

/// What was set aside in the store of that directory, the oldest first.
///
/// # Errors
/// When it cannot be read.
pub fn set_aside(directory: &Path) -> Result<Vec<SetAsideItem>, Error> {
    let files = Directory(directory.to_owned());
    SetAside::new(&files).items().map_err(|error| failed(directory, "be read", error))
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
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    files.sync_directory().map_err(failed)
}

impl Iterator for StoredMessages {
    type Item = StoredMessage;

    fn next(&mut self) -> Option<StoredMessage> {
        loop {
            if let Some((reader, length)) = &mut self.reader {
                match reader.next(&self.files, *length) {
                    Some(Item::Record(Record::Message(message), _)) => {
                        if !self.progress.done.contains(message.key) {
                            return Some(message);
                        }
                        continue;
                    }
                    Some(Item::Damaged { why: Damage::Torn, .. } | Item::Record(..)) => continue,
                    Some(Item::Damaged { .. }) => {
                        self.damaged += 1;
                        continue;
                    }
                    None => {}
                }
            }
            let id = self.segments.pop_front()?;
            // A program that has the store may have removed the segment meanwhile: its messages are done with.
            let opened = self.files.open(&name(id)).and_then(|file| Ok((self.files.length(&file)?, file)));
            self.reader = opened.ok().map(|(length, file)| (Reader::new(file, id), length));
        }
    }
}
