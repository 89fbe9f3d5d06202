//! Which messages are in flight, by their ids.

use super::BypassReason;

/// How many ranges of ids a set holds.
pub(super) const MAX_RANGES: usize = 256;

/// A set of ids, as sorted ranges that do not touch.
///
/// Protocols number messages in order, and peers acknowledge most of them in order: thousands of messages in
/// flight are one or a few ranges.
#[derive(Clone, Debug, Default)]
pub(super) struct IdSet {
    /// First and last id.
    ranges: Vec<(u64, u64)>,
}

impl IdSet {
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// # Errors
    /// [`BypassReason::TooManyInFlight`] if the ids make more than [`MAX_RANGES`] ranges.
    pub(super) fn insert(&mut self, id: u64) -> Result<(), BypassReason> {
        // The first range that ends at `id` or later, or right before it.
        let index = self
            .ranges
            .partition_point(|(_, last)| last.saturating_add(1) < id);
        let touches_next = |next: u64| id.checked_add(1) == Some(next);
        let following = self.ranges.get(index.saturating_add(1)).copied();
        let is_full = self.ranges.len() >= MAX_RANGES;
        match self.ranges.get_mut(index) {
            Some((first, last)) if *first <= id && id <= *last => {}
            Some((_, last)) if last.checked_add(1) == Some(id) => {
                *last = id;
                if let Some((next, end)) = following
                    && touches_next(next)
                {
                    *last = end;
                    self.ranges.remove(index.saturating_add(1));
                }
            }
            Some((first, _)) if touches_next(*first) => *first = id,
            _ if is_full => return Err(BypassReason::TooManyInFlight),
            _ => self.ranges.insert(index, (id, id)),
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, id: u64) -> Result<(), BypassReason> {
        self.remove_range(id, id)
    }

    /// Removes the ids from `from` through `through`.
    ///
    /// # Errors
    /// As [`IdSet::insert`]: to remove the middle of a range makes two of it.
    pub(super) fn remove_range(&mut self, from: u64, through: u64) -> Result<(), BypassReason> {
        let start = self.ranges.partition_point(|(_, last)| *last < from);
        let end = self.ranges.partition_point(|(first, _)| *first <= through);
        if start >= end {
            return Ok(());
        }
        let before = self
            .ranges
            .get(start)
            .filter(|(first, _)| *first < from)
            .map(|(first, _)| (*first, from.saturating_sub(1)));
        let after = self
            .ranges
            .get(end.saturating_sub(1))
            .filter(|(_, last)| through < *last)
            .map(|(_, last)| (through.saturating_add(1), *last));
        self.ranges
            .splice(start..end, before.into_iter().chain(after));
        if self.ranges.len() > MAX_RANGES {
            return Err(BypassReason::TooManyInFlight);
        }
        Ok(())
    }

    /// True if one of the ids from `from` through `through` is in the set.
    pub(super) fn contains_any(&self, from: u64, through: u64) -> bool {
        let start = self.ranges.partition_point(|(_, last)| *last < from);
        self.ranges
            .get(start)
            .is_some_and(|(first, _)| *first <= through)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.ranges
            .capacity()
            .saturating_mul(size_of::<(u64, u64)>())
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Remove(u64, u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let id = prop_oneof![0..24_u64, Just(u64::MAX), Just(u64::MAX - 1)];
        prop_oneof![
            id.clone().prop_map(Step::Insert),
            (id, 0..6_u64).prop_map(|(from, more)| Step::Remove(from, from.saturating_add(more))),
        ]
    }

    proptest! {
        #[test]
        fn set_equals_a_set_of_single_ids(steps in vec(step(), 0..60), from in 0..30_u64, more in 0..9_u64) {
            let (mut set, mut model) = (IdSet::default(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Insert(id) => {
                        set.insert(id).unwrap();
                        model.insert(id);
                    }
                    Step::Remove(from, through) => {
                        set.remove_range(from, through).unwrap();
                        model.retain(|id| !(from..=through).contains(id));
                    }
                }
                let ids: BTreeSet<u64> = set.ranges.iter().flat_map(|(first, last)| *first..=*last).collect();
                prop_assert_eq!(&ids, &model);
                prop_assert!(set.ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
            }
            prop_assert_eq!(set.contains_any(from, from + more), model.range(from..=from + more).next().is_some());
        }
    }

    #[test]
    fn consecutive_ids_are_one_range() {
        let mut set = IdSet::default();
        for id in 0..100_000 {
            set.insert(id).unwrap();
        }
        assert_eq!(set.ranges, [(0, 99_999)]);
    }

    #[test]
    fn more_ranges_than_the_limit_are_an_error() {
        let mut set = IdSet::default();
        for id in 0..MAX_RANGES as u64 {
            set.insert(id * 2).unwrap();
        }
        assert_eq!(set.insert(9999), Err(BypassReason::TooManyInFlight));
        set.insert(1).unwrap();
        assert_eq!(set.ranges.len(), MAX_RANGES - 1);
    }
}
