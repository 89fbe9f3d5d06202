//! Values by connection id. However many there are, one more is added without a pause.

use crate::chunks::Chunks;
use crate::slab::{Key, Slab};
use crate::{ConnectionId, mix};

/// A hash table that grows by linear hashing (Litwin, 1980): an insertion adds at most one bucket, and moves to it a part of
/// what one other bucket has. A `HashMap` moves all of its entries when it grows, which stops a worker with many
/// connections.
#[derive(Debug)]
pub(crate) struct Table<T> {
    values: Slab<T>,
    /// Apart from the values, so that a search visits little memory.
    index: Chunks<IndexEntry>,
}

/// The entry with number n has the id and the next value of slot n of the slab, and the first value of bucket n: there are
/// as many buckets as slots.
#[derive(Debug)]
struct IndexEntry {
    /// The id of the value in the slot.
    id: ConnectionId,
    /// The next value in the bucket of the one in the slot.
    next: Option<Key>,
    /// The first value in the bucket.
    first: Option<Key>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            values: Slab::default(),
            index: Chunks::default(),
        }
    }
}

impl<T> Table<T> {
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn find(&self, id: ConnectionId) -> Option<Key> {
        let mut next = self.index.get(self.bucket(id))?.first;
        while let Some(key) = next {
            let entry = self.index.get(key.slot())?;
            if entry.id == id {
                return Some(key);
            }
            next = entry.next;
        }
        None
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        self.values.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.values.get_mut(key)
    }

    /// Stores a value whose id is not stored yet. None, and nothing is stored, when the slab is full.
    pub(crate) fn insert(&mut self, id: ConnectionId, value: T) -> Option<Key> {
        let key = self.values.insert(value)?;
        match self.index.get_mut(key.slot()) {
            Some(entry) => entry.id = id,
            None => self.add_bucket(id),
        }
        self.link(key)?;
        Some(key)
    }

    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<T> {
        let key = self.find(id)?;
        let next = self.index.get(key.slot())?.next;
        let bucket = self.bucket(id);
        let mut link = &mut self.index.get_mut(bucket)?.first;
        while *link != Some(key) {
            let previous = (*link)?;
            link = &mut self.index.get_mut(previous.slot())?.next;
        }
        *link = next;
        self.values.remove(key)
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

    /// The bucket of an id: the hash modulo the next power of two, or half of that where there is no such bucket yet.
    fn bucket(&self, id: ConnectionId) -> usize {
        let mask = mask(self.index.len());
        let bucket = mix(id.0) as usize & mask;
        if bucket < self.index.len() {
            bucket
        } else {
            bucket & (mask >> 1)
        }
    }

    /// Adds a bucket, and the entry of the next slot, which gets a value with this id.
    fn add_bucket(&mut self, id: ConnectionId) {
        let added = self.index.len();
        self.index.push(IndexEntry {
            id,
            next: None,
            first: None,
        });
        let split = added & (mask(self.index.len()) >> 1);
        let split = self.index.get_mut(split);
        let mut next = split.and_then(|entry| entry.first.take());
        while let Some(key) = next {
            next = self.index.get(key.slot()).and_then(|entry| entry.next);
            self.link(key);
        }
    }

    /// Adds the value in a slot to its bucket.
    fn link(&mut self, key: Key) -> Option<()> {
        let bucket = self.bucket(self.index.get(key.slot())?.id);
        let first = self.index.get_mut(bucket)?.first.replace(key);
        self.index.get_mut(key.slot())?.next = first;
        Some(())
    }
}

/// The mask of a hash for this many buckets.
fn mask(buckets: usize) -> usize {
    buckets.next_power_of_two().wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Ids as Envoy counts them, those of every fourth connection, and those of the simulator.
    const IDS: [fn(u64) -> u64; 3] = [|n| n, |n| 4 * n, |n| (n % 7) << 32 | n];

    fn value_of(table: &Table<u64>, id: ConnectionId) -> Option<&u64> {
        table.get(table.find(id)?)
    }

    #[test]
    fn finds_what_a_map_finds_while_it_grows_and_shrinks() {
        for id in IDS {
            let (mut table, mut map) = (Table::default(), BTreeMap::new());
            let mut random = 1_u64;
            for number in 0..20_000_u64 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let old = ConnectionId(id((random >> 33) % (number + 1)));
                if number % 10_000 > 5_000 {
                    assert_eq!(table.remove(old), map.remove(&old));
                }
                let new = ConnectionId(id(number));
                table.insert(new, number).unwrap();
                map.insert(new, number);
                assert_eq!(value_of(&table, old), map.get(&old));
                assert_eq!(table.len(), map.len());
            }
            for number in 0..20_000 {
                let id = ConnectionId(id(number));
                assert_eq!(value_of(&table, id), map.get(&id));
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
            let (mut table, mut map) = (Table::default(), BTreeMap::new());
            for (count, divisor) in [(1000, 3), (5000, 7), (3000, 1), (9000, 2)] {
                for number in 0..count {
                    let id = ConnectionId(id(number));
                    map.entry(id).or_insert_with(|| {
                        table.insert(id, number).unwrap();
                        number
                    });
                }
                for number in (0..count).step_by(divisor) {
                    let id = ConnectionId(id(number));
                    assert_eq!(table.remove(id), map.remove(&id));
                    assert_eq!(table.remove(id), None);
                }
                assert_eq!(table.len(), map.len());
                for number in 0..count {
                    let id = ConnectionId(id(number));
                    assert_eq!(value_of(&table, id), map.get(&id));
                }
            }
        }
    }

    #[test]
    fn buckets_stay_short() {
        for id in IDS {
            let mut table = Table::default();
            for number in 0..200_000 {
                table.insert(ConnectionId(id(number)), number).unwrap();
            }
            let mut lengths = vec![0; table.index.len()];
            for number in 0..200_000 {
                lengths[table.bucket(ConnectionId(id(number)))] += 1;
            }
            assert!(
                lengths.iter().all(|length| *length <= 12),
                "{:?}",
                lengths.iter().max()
            );
        }
    }
}
