//! The files of messages: their names, and what is in them.

use std::io;

use super::files::Files;
use super::progress::Progress;
use super::reader::{Damage, Item, Reader};
use super::record::{Record, Summary};

/// How the names of segments end. A later format will have another ending, so that an older program leaves its files alone.
const ENDING: &str = ".mqo1";

/// What a segment holds.
pub(super) struct Scan {
    pub(super) summary: Summary,
    pub(super) progress: Option<Progress>,
    pub(super) sealed: bool,
    /// Where a torn end begins, or the end of the file.
    pub(super) end: u64,
}

/// The files of messages, the oldest first.
pub(super) fn segment_ids<F: Files>(files: &F) -> io::Result<Vec<u64>> {
    let id = |name: &String| {
        let number = name.strip_suffix(ENDING)?;
        u64::from_str_radix(number, 16).ok().filter(|id| *id > 0 && number.len() == 16)
    };
    let mut ids: Vec<u64> = files.list()?.iter().filter_map(id).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// The name of a segment.
pub(super) fn name(id: u64) -> String {
    format!("{id:016x}{ENDING}")
}

/// Reads a whole segment, whatever state it is in.
pub(super) fn scan<F: Files>(files: &F, mut reader: Reader<F::File>, length: u64) -> Scan {
    let mut scan = Scan { summary: Summary::default(), progress: None, sealed: false, end: length };
    while let Some(item) = reader.next(files, length) {
        match item {
            Item::Record(Record::Message(message), bytes) => scan.summary.add(message.key, bytes),
            Item::Record(Record::Progress(progress), _) => scan.progress = Some(progress),
            Item::Record(Record::Seal(_), _) => scan.sealed = reader.offset == length,
            Item::Damaged { from, why: Damage::Torn, .. } => scan.end = from,
            Item::Record(Record::SetAside(..), _) | Item::Damaged { .. } => {}
        }
    }
    scan
}
