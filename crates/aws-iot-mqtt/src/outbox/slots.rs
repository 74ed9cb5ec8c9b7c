//! Values by ascending keys, of which nearly all are added at the end and removed at the front: a tree is slow at that.

use std::collections::VecDeque;

use super::store::Key;

/// How many empty slots there may be beside twice as many as values. Closing the gaps costs as much as there are slots.
const SPARE: usize = 64;
/// Most slots whose memory is kept while there is no value.
const KEPT: usize = 1024;

pub(super) struct Slots<T> {
    /// Without the empty ones at the front.
    slots: VecDeque<(Key, Option<T>)>,
    values: usize,
}

impl<T> Slots<T> {
    /// The key has to be larger than all before.
    pub(super) fn push(&mut self, key: Key, value: T) {
        debug_assert!(self.slots.back().is_none_or(|(last, _)| *last < key));
        self.slots.push_back((key, Some(value)));
        self.values += 1;
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        self.slots.get(self.index(key).ok()?)?.1.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let index = self.index(key).ok()?;
        self.slots.get_mut(index)?.1.as_mut()
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let index = self.index(key).ok()?;
        let value = self.slots.get_mut(index)?.1.take()?;
        self.values -= 1;
        while self.slots.pop_front_if(|(_, value)| value.is_none()).is_some() {}
        if self.slots.len() > 2 * self.values + SPARE {
            self.slots.retain(|(_, value)| value.is_some());
        }
        if self.slots.is_empty() {
            self.slots.shrink_to(KEPT);
        }
        Some(value)
    }

    /// The values from that key on.
    pub(super) fn iter_from(&self, key: Key) -> impl Iterator<Item = (Key, &T)> {
        let from = self.index(key).unwrap_or_else(|index| index);
        self.slots.range(from..).filter_map(|(key, value)| Some((*key, value.as_ref()?)))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|(_, value)| value.as_mut())
    }

    pub(super) fn len(&self) -> usize {
        self.values
    }

    /// Where the key is, or would be.
    fn index(&self, key: Key) -> Result<usize, usize> {
        let first = self.slots.front().map_or(0, |(first, _)| *first);
        let from_first = usize::try_from(key.saturating_sub(first)).unwrap_or(usize::MAX);
        // Right where no gap was closed.
        match self.slots.get(from_first) {
            Some((there, _)) if *there == key => Ok(from_first),
            _ if self.slots.back().is_none_or(|(last, _)| *last < key) => Err(self.slots.len()),
            _ => self.slots.binary_search_by_key(&key, |(there, _)| *there),
        }
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slots: VecDeque::new(), values: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn slots_do_what_a_map_does(removals in vec((any::<prop::sample::Index>(), 0_u64..3), 0..500)) {
            let (mut slots, mut map) = (Slots::default(), BTreeMap::new());
            let mut key = 0;
            for (removed, skipped) in removals {
                // Two come and one goes, from anywhere, until the half.
                for _ in 0..2 {
                    key += 1 + skipped;
                    slots.push(key, key * 10);
                    map.insert(key, key * 10);
                }
                let removed = removed.index(key as usize + 1) as Key;
                prop_assert_eq!(slots.remove(removed), map.remove(&removed));
                prop_assert_eq!(slots.get(removed), None);
                prop_assert_eq!(slots.len(), map.len());
                prop_assert!(slots.slots.len() <= 2 * slots.values + SPARE);
            }
            prop_assert!(slots.iter_from(0).eq(map.iter().map(|(key, value)| (*key, value))));
            for (key, value) in map {
                prop_assert_eq!(slots.get_mut(key), Some(&mut value.clone()));
                prop_assert_eq!(slots.remove(key), Some(value));
            }
            prop_assert!(slots.slots.is_empty());
        }
    }
}
