//! A table by the host's number of a connection or context, to which a value is added without a pause.

use core::cell::Cell;

use crate::chunks::Chunks;
use crate::slab::{Key, Slab};

/// Values by id, found with a hash table that grows by linear hashing (Litwin, 1980): an insertion adds at most one bucket,
/// and moves to it a part of what one other bucket has. A `HashMap` moves all of its entries when it grows, which stops a
/// worker with many connections.
#[derive(Debug)]
pub struct IdTable<T> {
    values: Slab<T>,
    /// Apart from the values: a search visits little memory, and is compiled once for all types of values.
    index: Index,
}

/// The hash table.
#[derive(Debug, Default)]
struct Index {
    entries: Chunks<IndexEntry>,
    /// The mask of a hash for the buckets.
    mask: usize,
    /// The value that was last found: a callback of the host is about one connection, and needs it several times.
    recent: Cell<Option<(u64, Key)>>,
}

/// The entry with number n has the id and the next value of slot n of the slab, and the first value of bucket n: there are
/// as many buckets as slots.
#[derive(Debug)]
struct IndexEntry {
    /// The id of the value in the slot.
    id: u64,
    /// The next value in the bucket of the one in the slot.
    next: Option<Key>,
    /// The first value in the bucket.
    first: Option<Key>,
}

impl<T> Default for IdTable<T> {
    fn default() -> Self {
        Self {
            values: Slab::default(),
            index: Index::default(),
        }
    }
}

impl<T> IdTable<T> {
    /// The number of values.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// There is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of an id.
    #[inline]
    pub fn get(&self, id: u64) -> Option<&T> {
        self.at(self.find(id)?)
    }

    /// The value of an id, to change it.
    #[inline]
    pub fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        self.at_mut(self.find(id)?)
    }

    /// Sets the value of an id. None, and nothing is stored, when the table is full.
    pub fn insert(&mut self, id: u64, value: T) -> Option<()> {
        if let Some(held) = self.get_mut(id) {
            *held = value;
            return Some(());
        }
        let key = self.values.insert(value)?;
        self.index.insert(id, key)
    }

    /// Removes the value of an id.
    pub fn remove(&mut self, id: u64) -> Option<T> {
        let key = self.index.remove(id)?;
        self.values.remove(key)
    }

    /// The place of the value of an id, which stays the same until the value is removed.
    #[inline]
    pub(crate) fn find(&self, id: u64) -> Option<Key> {
        self.index.find(id)
    }

    pub(crate) fn at(&self, key: Key) -> Option<&T> {
        self.values.get(key)
    }

    pub(crate) fn at_mut(&mut self, key: Key) -> Option<&mut T> {
        self.values.get_mut(key)
    }

    /// Visits the values in at most `most` slots from `cursor` on. Gives the cursor of the next slice, or None at the end.
    pub(crate) fn slice_mut(
        &mut self,
        cursor: usize,
        most: usize,
        visit: impl FnMut(&mut T),
    ) -> Option<usize> {
        self.values.slice_mut(cursor, most, visit)
    }
}

impl Index {
    #[inline]
    fn find(&self, id: u64) -> Option<Key> {
        match self.recent.get() {
            Some((recent, key)) if recent == id => Some(key),
            _ => self.search(id),
        }
    }

    #[inline(never)]
    fn search(&self, id: u64) -> Option<Key> {
        let mut next = self.entries.get(self.bucket(id))?.first;
        while let Some(key) = next {
            let entry = self.entries.get(key.slot())?;
            if entry.id == id {
                self.recent.set(Some((id, key)));
                return Some(key);
            }
            next = entry.next;
        }
        None
    }

    /// Adds the value with this id, which is in the slot of `key`.
    fn insert(&mut self, id: u64, key: Key) -> Option<()> {
        match self.entries.get_mut(key.slot()) {
            Some(entry) => entry.id = id,
            None => self.add_bucket(id),
        }
        self.link(key)
    }

    #[inline(never)]
    fn remove(&mut self, id: u64) -> Option<Key> {
        let key = self.find(id)?;
        self.recent.set(None);
        let next = self.entries.get(key.slot())?.next;
        let bucket = self.bucket(id);
        let mut link = &mut self.entries.get_mut(bucket)?.first;
        while *link != Some(key) {
            let previous = (*link)?;
            link = &mut self.entries.get_mut(previous.slot())?.next;
        }
        *link = next;
        Some(key)
    }

    /// The bucket of an id: the hash modulo the next power of two, or half of that where there is no such bucket yet.
    fn bucket(&self, id: u64) -> usize {
        let bucket = hash(id) & self.mask;
        if bucket < self.entries.len() {
            bucket
        } else {
            bucket & (self.mask >> 1)
        }
    }

    /// Adds a bucket, and the entry of the next slot, which gets a value with this id.
    fn add_bucket(&mut self, id: u64) {
        let added = self.entries.len();
        self.entries.push(IndexEntry {
            id,
            next: None,
            first: None,
        });
        self.mask = self.entries.len().next_power_of_two().wrapping_sub(1);
        let split = added & (self.mask >> 1);
        let split = self.entries.get_mut(split);
        let mut next = split.and_then(|entry| entry.first.take());
        while let Some(key) = next {
            next = self.entries.get(key.slot()).and_then(|entry| entry.next);
            self.link(key);
        }
    }

    /// Adds the value in a slot to its bucket.
    #[inline]
    fn link(&mut self, key: Key) -> Option<()> {
        let bucket = self.bucket(self.entries.get(key.slot())?.id);
        let first = self.entries.get_mut(bucket)?.first.replace(key);
        self.entries.get_mut(key.slot())?.next = first;
        Some(())
    }
}

/// Fibonacci hashing (Knuth, The Art of Computer Programming, volume 3, section 6.4): ids are consecutive numbers.
fn hash(id: u64) -> usize {
    (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Ids as Envoy counts them, those of every fourth connection, and those of the simulator.
    const IDS: [fn(u64) -> u64; 3] = [|n| n, |n| 4 * n, |n| (n % 7) << 32 | n];

    #[test]
    fn finds_what_a_map_finds_while_it_grows_and_shrinks() {
        for id in IDS {
            let (mut table, mut map) = (IdTable::default(), BTreeMap::new());
            let mut random = 1_u64;
            for number in 0..20_000_u64 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let old = id((random >> 33) % (number + 1));
                if number % 10_000 > 5_000 {
                    assert_eq!(table.remove(old), map.remove(&old));
                }
                let new = id(number);
                table.insert(new, number).unwrap();
                map.insert(new, number);
                assert_eq!(table.get(old), map.get(&old));
                assert_eq!(table.len(), map.len());
            }
            for number in 0..20_000 {
                let id = id(number);
                assert_eq!(table.get(id), map.get(&id));
            }
            let mut visited = Vec::new();
            table.slice_mut(0, usize::MAX, |value| visited.push(*value));
            visited.sort_unstable();
            let mut stored: Vec<u64> = map.into_values().collect();
            stored.sort_unstable();
            assert_eq!(visited, stored);
        }
    }

    #[test]
    fn slots_are_used_again_after_many_removals() {
        for id in IDS {
            let (mut table, mut map) = (IdTable::default(), BTreeMap::new());
            for (count, divisor) in [(1000, 3), (5000, 7), (3000, 1), (9000, 2)] {
                for number in 0..count {
                    let id = id(number);
                    map.entry(id).or_insert_with(|| {
                        table.insert(id, number).unwrap();
                        number
                    });
                }
                for number in (0..count).step_by(divisor) {
                    let id = id(number);
                    assert_eq!(table.remove(id), map.remove(&id));
                    assert_eq!(table.remove(id), None);
                }
                assert_eq!(table.len(), map.len());
                for number in 0..count {
                    let id = id(number);
                    assert_eq!(table.get(id), map.get(&id));
                }
            }
        }
    }

    #[test]
    fn buckets_stay_short() {
        for id in IDS {
            let mut table = IdTable::default();
            for number in 0..200_000 {
                table.insert(id(number), number).unwrap();
            }
            let mut lengths = vec![0; table.index.entries.len()];
            for number in 0..200_000 {
                lengths[table.index.bucket(id(number))] += 1;
            }
            assert!(
                lengths.iter().all(|length| *length <= 12),
                "{:?}",
                lengths.iter().max()
            );
        }
    }
}
