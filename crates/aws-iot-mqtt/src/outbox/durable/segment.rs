//! The files of messages, and what is found in them when the log is opened: of a sealed segment its seal alone is read, of another one
//! everything.

use std::collections::VecDeque;
use std::io;

use super::files::Files;
use super::progress::{Progress, Ranges};
use super::reader::{Damage, Item, Reader};
use super::record::{self, Depth, Kind, Record, SEAL, Summary};

/// How the names of segments end. A later format will have another ending, so that an older program leaves its files alone.
const ENDING: &str = ".mqo1";
/// How far keys are moved on where the newest progress could not be read: none of a message that was in it is given again.
const KEYS_IN_DOUBT: u64 = 1 << 32;

/// A file of messages.
pub(super) struct Segment {
    pub(super) id: u64,
    pub(super) summary: Summary,
    /// Bytes of the file that count.
    pub(super) length: u64,
}

/// What is found in a segment.
pub(super) struct Scan {
    /// Of the messages that are not done with.
    summary: Summary,
    pub(super) progress: Option<Progress>,
    sealed: bool,
    /// Where a torn end begins, or the end of the file.
    end: u64,
}

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

/// The ids of the segments, the oldest first.
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
pub(super) fn scan<F: Files>(files: &F, mut reader: Reader<F::File>, done: &Ranges) -> Scan {
    let mut scan = Scan { summary: Summary::default(), progress: None, sealed: false, end: reader.end };
    while let Some(item) = reader.next(files, &[]) {
        match item {
            Item::Record(Record::Message(message), bytes) if !done.contains(message.key) => {
                scan.summary.add(message.key, bytes);
            }
            Item::Record(Record::Progress(progress), _) => scan.progress = Some(progress),
            Item::Record(Record::Seal(_), _) => scan.sealed = reader.offset == reader.end,
            Item::Damaged { from, why: Damage::Torn, .. } => scan.end = from,
            Item::Record(..) | Item::Damaged { .. } => {}
        }
    }
    scan
}

/// Looks at all segments. `earlier` is what this process knows of the messages, where it has had the log open before.
pub(super) fn recover<F: Files>(files: &F, earlier: Option<&Progress>) -> io::Result<Recovered> {
    let ids = segment_ids(files)?;
    let mut segments = VecDeque::new();
    let (mut found, mut in_newest) = (None, true);
    for (age, id) in ids.iter().rev().enumerate() {
        let mut reader = Reader::open(files, &name(*id), *id)?;
        let mut length = reader.end;
        let sealed = if found.is_some() { read_seal(files, &mut reader) } else { None };
        let summary = match sealed {
            Some(summary) => summary,
            None => {
                let scan = scan(files, reader, &Ranges::default());
                if found.is_none() {
                    in_newest = age == 0 && scan.progress.is_some();
                    found = scan.progress;
                }
                if !scan.sealed && scan.summary.depth.messages > 0 {
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
    for Segment { id, summary, .. } in &segments {
        let (first, after) = (summary.first, summary.last.saturating_add(1));
        if progress.done.covers(first, after) {
            continue;
        }
        let touched = progress.done.touches(first, after);
        let left = if touched {
            scan(files, Reader::open(files, &name(*id), *id)?, &progress.done).summary
        } else {
            *summary
        };
        live = live + left.depth;
    }
    let next_id = ids.last().map_or(1, |id| id.saturating_add(1));
    Ok(Recovered { segments, next_id, progress, live })
}

/// What the segment's last record says it holds, if it is sealed. The reader is then at the beginning again.
fn read_seal<F: Files>(files: &F, reader: &mut Reader<F::File>) -> Option<Summary> {
    reader.offset = reader.end.checked_sub(SEAL as u64)?;
    let last = reader.next(files, &[]);
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
