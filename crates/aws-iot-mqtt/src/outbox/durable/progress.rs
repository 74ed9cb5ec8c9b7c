//! What became of the messages: one record tells it for all of them, so that only the last one counts.

use std::collections::BTreeMap;

use bytes::{Buf as _, BufMut as _};

/// What became of the messages of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The key of the next message.
    pub(super) next_key: u64,
    /// The messages that are done with.
    pub(super) done: Ranges,
    /// The packet ids under which messages were sent, each with the message's key.
    pub(super) packet_ids: BTreeMap<u16, u64>,
    pub(super) totals: Totals,
}

/// Counted since the store was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Messages that were accepted.
    pub accepted: u64,
    /// Messages that the server acknowledged.
    pub acknowledged: u64,
    /// Messages that expired.
    pub expired: u64,
    /// Messages that were dropped, because the store was full.
    pub dropped: u64,
    /// Messages and damaged records that were set aside.
    pub set_aside: u64,
    /// Damaged records among them.
    pub damaged: u64,
    /// Bytes of the accepted messages' payloads.
    pub payload_bytes: u64,
    /// Bytes that were written to the files. The file system writes more: whole blocks, and its journal.
    pub written_bytes: u64,
}

impl Totals {
    /// All of them, in the order in which they are written.
    fn numbers(&mut self) -> [&mut u64; 8] {
        let Self {
            accepted,
            acknowledged,
            expired,
            dropped,
            set_aside,
            damaged,
            payload_bytes,
            written_bytes,
        } = self;
        [accepted, acknowledged, expired, dropped, set_aside, damaged, payload_bytes, written_bytes]
    }
}

/// A set of keys: ranges, each from its first key to the one after its last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds the keys from `from` to before `to`.
    pub(super) fn insert(&mut self, mut from: u64, mut to: u64) {
        if from >= to {
            return;
        }
        // What touches the new range becomes part of it.
        while let Some((start, end)) =
            self.0.range(..=to).next_back().map(|(start, end)| (*start, *end)).filter(|(_, end)| *end >= from)
        {
            self.0.remove(&start);
            (from, to) = (from.min(start), to.max(end));
        }
        self.0.insert(from, to);
    }

    /// Whether all keys from `from` to before `to` are in it.
    pub(super) fn covers(&self, from: u64, to: u64) -> bool {
        from >= to || self.0.range(..=from).next_back().is_some_and(|(_, end)| *end >= to)
    }

    /// Whether any key from `from` to before `to` is in it.
    pub(super) fn touches(&self, from: u64, to: u64) -> bool {
        from < to && self.0.range(..to).next_back().is_some_and(|(_, end)| *end > from)
    }

    pub(super) fn contains(&self, key: u64) -> bool {
        self.covers(key, key.saturating_add(1))
    }
}

impl Progress {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u64_le(self.next_key);
        out.put_u32_le(u32::try_from(self.done.0.len()).unwrap_or(u32::MAX));
        for (from, to) in &self.done.0 {
            out.put_u64_le(*from);
            out.put_u64_le(*to);
        }
        out.put_u32_le(u32::try_from(self.packet_ids.len()).unwrap_or(u32::MAX));
        for (id, key) in &self.packet_ids {
            out.put_u16_le(*id);
            out.put_u64_le(*key);
        }
        let mut totals = self.totals;
        totals.numbers().into_iter().for_each(|number| out.put_u64_le(*number));
        out
    }

    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let body = &mut &*body;
        let mut progress = Self { next_key: body.try_get_u64_le().ok()?, ..Self::default() };
        for _ in 0..body.try_get_u32_le().ok()? {
            progress.done.insert(body.try_get_u64_le().ok()?, body.try_get_u64_le().ok()?);
        }
        for _ in 0..body.try_get_u32_le().ok()? {
            progress.packet_ids.insert(body.try_get_u16_le().ok()?, body.try_get_u64_le().ok()?);
        }
        for number in progress.totals.numbers() {
            *number = body.try_get_u64_le().ok()?;
        }
        Some(progress)
    }

    /// The packet id under which the message was sent last.
    pub(super) fn packet_id(&self, key: u64) -> Option<u16> {
        self.packet_ids.iter().find(|(_, message)| **message == key).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_a_set_of_keys() {
        let mut ranges = Ranges::default();
        let mut model = std::collections::BTreeSet::new();
        let mut state = 1_u64;
        for _ in 0..500 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let from = (state >> 33) % 200;
            let to = from + (state >> 50) % 5;
            ranges.insert(from, to);
            model.extend(from..to);
            for key in 0..210 {
                assert_eq!(ranges.contains(key), model.contains(&key), "{key}");
                assert_eq!(ranges.covers(key, key + 3), (key..key + 3).all(|key| model.contains(&key)));
                assert_eq!(ranges.touches(key, key + 3), (key..key + 3).any(|key| model.contains(&key)));
            }
        }
        assert!(ranges.0.iter().zip(ranges.0.iter().skip(1)).all(|((_, end), (start, _))| end < start));
    }

    #[test]
    fn what_is_written_is_what_is_read_and_anything_else_is_none() {
        let mut progress = Progress { next_key: 9, ..Progress::default() };
        progress.done.insert(0, 4);
        progress.done.insert(6, 7);
        progress.packet_ids.insert(17, 4);
        progress.totals.accepted = 8;
        let bytes = progress.encode();
        assert_eq!(Progress::decode(&bytes), Some(progress));
        for length in 0..bytes.len() {
            assert_eq!(Progress::decode(&bytes[..length]), None, "{length}");
        }
    }
}
