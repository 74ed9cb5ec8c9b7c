//! What is found when the log is opened: of a sealed segment its seal alone is read, of another one everything.

use std::collections::VecDeque;
use std::io;

use super::files::Files;
use super::log::{Depth, Segment};
use super::progress::Progress;
use super::reader::{Item, Reader};
use super::record::{self, Kind, Record, SEAL, Summary};
use super::segment::{name, scan, segment_ids};

/// How far keys are moved on where the newest progress could not be read: none of a message that was in it is given again.
const KEYS_IN_DOUBT: u64 = 1 << 32;

/// What the files hold.
pub(super) struct Recovered {
    /// The oldest first.
    pub(super) segments: VecDeque<Segment>,
    /// The id of the next segment.
    pub(super) next_id: u64,
    pub(super) progress: Progress,
    /// The messages that are not done with.
    pub(super) live: Depth,
}

/// Looks at all segments. `earlier` is what this process knows of the messages, where it has had the log open before.
pub(super) fn recover<F: Files>(files: &F, earlier: Option<&Progress>) -> io::Result<Recovered> {
    let ids = segment_ids(files)?;
    let mut segments = VecDeque::new();
    let (mut found, mut in_newest) = (None, true);
    for (age, id) in ids.iter().rev().enumerate() {
        let file = files.open(&name(*id))?;
        let mut length = files.length(&file)?;
        let mut reader = Reader::new(file, *id);
        let sealed = if found.is_some() { read_seal(files, &mut reader, length) } else { None };
        let summary = match sealed {
            Some(summary) => summary,
            None => {
                let scan = scan(files, reader, length);
                if found.is_none() {
                    in_newest = age == 0 && scan.progress.is_some();
                    found = scan.progress;
                }
                if !scan.sealed && scan.summary.messages > 0 {
                    // Without a seal the segment is read again at the next start: a full disk does not keep it from starting.
                    length = seal(files, *id, scan.end, &scan.summary).unwrap_or(scan.end);
                }
                scan.summary
            }
        };
        segments.push_front(Segment { id: *id, summary, length });
    }
    let known = found.is_some();
    let mut progress = earlier.cloned().unwrap_or_else(|| found.unwrap_or_default());
    let newest = segments.iter().map(|segment| segment.summary.last).max().unwrap_or(0);
    progress.next_key = progress.next_key.max(newest + 1);
    if !ids.is_empty() && earlier.is_none() && !(known && in_newest) {
        progress.next_key = progress.next_key.saturating_add(KEYS_IN_DOUBT);
    }
    let mut live = Depth::default();
    for Segment { id, summary, length } in &segments {
        let (first, after) = (summary.first, summary.last.saturating_add(1));
        if progress.done.covers(first, after) {
            continue;
        }
        let depth = if progress.done.touches(first, after) {
            count(files, *id, *length, &progress)?
        } else {
            Depth { messages: summary.messages, bytes: summary.bytes }
        };
        live.messages += depth.messages;
        live.bytes += depth.bytes;
    }
    let next_id = ids.last().map_or(1, |id| id.saturating_add(1));
    Ok(Recovered { segments, next_id, progress, live })
}

/// The messages of a segment that are not done with.
fn count<F: Files>(files: &F, id: u64, length: u64, progress: &Progress) -> io::Result<Depth> {
    let mut reader = Reader::new(files.open(&name(id))?, id);
    let mut depth = Depth::default();
    while let Some(item) = reader.next(files, length) {
        if let Item::Record(Record::Message(message), bytes) = item
            && !progress.done.contains(message.key)
        {
            depth.messages += 1;
            depth.bytes += bytes;
        }
    }
    Ok(depth)
}

/// What the segment's last record says it holds, if it is sealed. The reader is then at the beginning again.
fn read_seal<F: Files>(files: &F, reader: &mut Reader<F::File>, length: u64) -> Option<Summary> {
    reader.offset = length.checked_sub(SEAL as u64)?;
    let last = reader.next(files, length);
    reader.offset = 0;
    match last {
        Some(Item::Record(Record::Seal(summary), _)) => Some(summary),
        _ => None,
    }
}

/// Cuts a torn end off, and writes down what is in the segment. Returns its length.
fn seal<F: Files>(files: &F, id: u64, end: u64, summary: &Summary) -> io::Result<u64> {
    let file = files.open_to_write(&name(id))?;
    files.truncate(&file, end)?;
    let mut seal = Vec::with_capacity(SEAL);
    record::append(&mut seal, id, end, Kind::Seal, 0, &summary.encode());
    files.write_all_at(&file, end, &seal)?;
    Ok(end + seal.len() as u64)
}
