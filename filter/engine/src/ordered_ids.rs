//! Ids in the order of a number.

use core::ops::Bound::{Excluded, Included, Unbounded};
use std::collections::BTreeSet;

/// A number and an id that it orders.
pub type Entry = (u64, u64);

/// Ids in the order of a number that each has, often a time; those with equal numbers in their own order. Each operation
/// takes logarithmic time.
///
/// Use it for whatever has to be in order and may grow with connections, rather than a tree or a heap of another type: one
/// is compiled for each type, with 2 to 6 KiB of the module each time.
#[derive(Clone, Debug, Default)]
pub struct OrderedIds {
    entries: BTreeSet<Entry>,
}

impl OrderedIds {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// There is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an entry. False if it is there already.
    #[inline(never)]
    pub fn insert(&mut self, number: u64, id: u64) -> bool {
        self.entries.insert((number, id))
    }

    /// Removes an entry. False if it is not there.
    #[inline(never)]
    pub fn remove(&mut self, number: u64, id: u64) -> bool {
        self.entries.remove(&(number, id))
    }

    /// The entry with the lowest number.
    pub fn first(&self) -> Option<Entry> {
        self.entries.first().copied()
    }

    /// The entry with the highest number that is not above `number`.
    pub fn last_until(&self, number: u64) -> Option<Entry> {
        let until = self.entries.range(..=(number, u64::MAX));
        until.copied().next_back()
    }

    /// The entries behind one, or all of them.
    pub fn after(&self, entry: Option<Entry>) -> impl Iterator<Item = Entry> {
        let after = entry.map_or(Included((0, 0)), Excluded);
        self.entries.range((after, Unbounded)).copied()
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn entries_are_in_order() {
        let mut ids = OrderedIds::default();
        for (number, id) in [(7, 1), (5, 9), (7, 0), (6, 4)] {
            assert!(ids.insert(number, id));
        }
        assert!(!ids.insert(7, 1));
        assert_eq!(ids.len(), 4);

        let all: Vec<Entry> = ids.after(None).collect();
        assert_eq!(all, [(5, 9), (6, 4), (7, 0), (7, 1)]);
        assert!(ids.after(Some((6, 4))).eq([(7, 0), (7, 1)]));
        assert_eq!(ids.first(), Some((5, 9)));
        assert_eq!(ids.last_until(4), None);
        assert_eq!(ids.last_until(6), Some((6, 4)));
        assert_eq!(ids.last_until(u64::MAX), Some((7, 1)));

        assert!(ids.remove(5, 9) && !ids.remove(5, 9));
        assert_eq!(ids.first(), Some((6, 4)));
    }
}
