//! How a record is written: a header, and the body.
//!
//! ```text
//!  0  4  "MQO1"
//!  4  1  kind
//!  5  3  0
//!  8  4  length of the body in bytes
//! 12  4  CRC-32 of the body
//! 16  8  key
//! 24  4  CRC-32 of the file's id (8 bytes), the record's offset (8 bytes), and the 24 bytes before
//! ```
//! Integers are little-endian. Since file and offset are part of the checksum, a copy of a record inside a message's
//! payload is never taken for a record.

use std::ops::Add;

use bytes::{Buf as _, BufMut as _};

use super::message::StoredMessage;
use super::progress::Progress;
use super::set_aside::{self, SetAsideItem};

pub(super) const HEADER: usize = 28;
const MAGIC: [u8; 4] = *b"MQO1";

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A message; the key is the message's.
    Message = 1,
    /// A [`Progress`]; the last one of the log counts.
    Progress = 2,
    /// The last record of a segment: what is in the segment.
    Seal = 3,
    /// A message that was set aside: a reason and the message.
    SetAsideMessage = 4,
    /// Bytes that could not be read: a reason, where they were, and the bytes. The key is the segment's id.
    SetAsideBytes = 5,
}

const KINDS: [Kind; 5] =
    [Kind::Message, Kind::Progress, Kind::Seal, Kind::SetAsideMessage, Kind::SetAsideBytes];

/// A record's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    kind: Kind,
    body: u32,
    body_crc: u32,
    key: u64,
}

/// How many messages, and the bytes of their records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Depth {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

/// What a sealed segment holds, so that it need not be read at start-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) depth: Depth,
    /// The first and the last message's key; 0 where there is none.
    pub(super) first: u64,
    pub(super) last: u64,
}

/// Length of a seal, with its header, in bytes.
pub(super) const SEAL: usize = HEADER + 32;

/// A record's content.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Record {
    Message(StoredMessage),
    Progress(Progress),
    Seal(Summary),
    /// Stands in the file of what was set aside.
    SetAside(SetAsideItem),
}

/// Appends a record to `out`, which is to be written to the file `id` at `start`, the offset of `out`'s first byte.
pub(super) fn append(out: &mut Vec<u8>, id: u64, start: u64, kind: Kind, key: u64, body: &[u8]) {
    let begin = out.len();
    out.put_slice(&MAGIC);
    out.put_u8(kind as u8);
    out.put_bytes(0, 3);
    // A body that is longer than that cannot be a message of MQTT, whose packets have at most 256 MiB.
    out.put_u32_le(u32::try_from(body.len()).unwrap_or(u32::MAX));
    out.put_u32_le(crc32fast::hash(body));
    out.put_u64_le(key);
    let crc = header_crc(id, start + begin as u64, out.get(begin..).unwrap_or_default());
    out.put_u32_le(crc);
    out.put_slice(body);
}

impl Header {
    /// The header at `offset` of the file `id`, if there is one.
    pub(super) fn parse(id: u64, offset: u64, bytes: &[u8]) -> Option<Self> {
        let (checked, mut crc) = bytes.get(..HEADER)?.split_at_checked(HEADER - 4)?;
        let mut fields = checked.strip_prefix(&MAGIC)?;
        if crc.try_get_u32_le().ok()? != header_crc(id, offset, checked) {
            return None;
        }
        let number = fields.try_get_u8().ok()?;
        let kind = KINDS.into_iter().find(|kind| *kind as u8 == number)?;
        fields.advance(3);
        let (body, body_crc) = (fields.try_get_u32_le().ok()?, fields.try_get_u32_le().ok()?);
        Some(Self { kind, body, body_crc, key: fields.try_get_u64_le().ok()? })
    }

    /// Length of the record in bytes.
    pub(super) fn length(&self) -> u64 {
        HEADER as u64 + u64::from(self.body)
    }

    /// The record, if its body is what was written.
    pub(super) fn record(&self, body: &[u8]) -> Option<Record> {
        if crc32fast::hash(body) != self.body_crc {
            return None;
        }
        match self.kind {
            Kind::Message => StoredMessage::decode(self.key, body).map(Record::Message),
            Kind::Progress => Progress::decode(body).map(Record::Progress),
            Kind::Seal => Summary::decode(body).map(Record::Seal),
            kind => set_aside::decode(kind, self.key, body).map(Record::SetAside),
        }
    }
}

impl Depth {
    /// Counts one more message, with the bytes of its record.
    pub(super) fn add_message(&mut self, bytes: u64) {
        *self = *self + Self { messages: 1, bytes };
    }
}

impl Add for Depth {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_add(other.messages),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

impl Summary {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(SEAL - HEADER);
        for number in [self.depth.messages, self.depth.bytes, self.first, self.last] {
            body.put_u64_le(number);
        }
        body
    }

    fn decode(mut body: &[u8]) -> Option<Self> {
        let mut next = || body.try_get_u64_le().ok();
        let depth = Depth { messages: next()?, bytes: next()? };
        Some(Self { depth, first: next()?, last: next()? })
    }

    /// Counts one more message.
    pub(super) fn add(&mut self, key: u64, bytes: u64) {
        self.depth.add_message(bytes);
        self.first = if self.first == 0 { key } else { self.first };
        self.last = key;
    }
}

/// Reads what stands behind the checksum; the first byte tells the kind. What is read is what was written.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let Some((kind, body)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => {
            if let Some(message) = StoredMessage::decode(7, body) {
                let again = super::message::encode(&message.clone().into_entry(None, 0, message.accepted));
                assert_eq!(StoredMessage::decode(7, &again), Some(message));
            }
        }
        1 => {
            if let Some(progress) = Progress::decode(body) {
                assert_eq!(Progress::decode(&progress.encode()), Some(progress));
            }
        }
        kind => {
            let kind = if kind == 2 { Kind::SetAsideMessage } else { Kind::SetAsideBytes };
            let _ = set_aside::decode(kind, 7, body);
        }
    }
}

fn header_crc(id: u64, offset: u64, header: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&id.to_le_bytes());
    crc.update(&offset.to_le_bytes());
    crc.update(header);
    crc.finalize()
}
