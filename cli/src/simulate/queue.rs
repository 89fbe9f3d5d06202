//! Scheduled events in order of time; events of one time are in the order in which they were scheduled.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use evenkeel_engine::Instant;

/// The length of a slot, in nanoseconds.
const SLOT: u64 = 100_000_000;

/// A queue of time slots, of which only the current one is in order. There are many more events in later slots, and a heap of
/// all would not fit into the caches of the CPU.
pub struct Queue<T> {
    /// The number of the current slot.
    slot: u64,
    /// The events of the current slot, and of earlier ones.
    current: BinaryHeap<Reverse<Entry<T>>>,
    /// Those of later slots.
    later: BTreeMap<u64, Vec<Reverse<Entry<T>>>>,
    scheduled: u64,
}

struct Entry<T> {
    at: Instant,
    sequence: u64,
    event: T,
}

impl<T> Queue<T> {
    pub fn new() -> Self {
        Self {
            slot: 0,
            current: BinaryHeap::new(),
            later: BTreeMap::new(),
            scheduled: 0,
        }
    }

    pub fn schedule(&mut self, at: Instant, event: T) {
        let sequence = self.scheduled;
        self.scheduled += 1;
        let entry = Reverse(Entry {
            at,
            sequence,
            event,
        });
        let slot = at.as_nanos() / SLOT;
        if slot <= self.slot {
            self.current.push(entry);
        } else {
            self.later.entry(slot).or_default().push(entry);
        }
    }

    /// Removes and returns the next event that is not after `end`.
    pub fn next(&mut self, end: Instant) -> Option<(Instant, T)> {
        if self.current.is_empty() {
            let next = self.later.first_entry()?;
            self.slot = *next.key();
            self.current = BinaryHeap::from(next.remove());
        }
        let Reverse(first) = self.current.peek()?;
        if first.at > end {
            return None;
        }
        let Reverse(first) = self.current.pop()?;
        Some((first.at, first.event))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    #[test]
    fn events_of_all_slots_are_in_order_of_time_then_insertion() {
        let mut queue = Queue::new();
        let mut random = Random::new(1);
        let mut expected = Vec::new();
        let mut schedule = |queue: &mut Queue<usize>, from: u64| {
            let at = from + random.index_below(30) as u64 * SLOT / 10;
            queue.schedule(Instant::from_nanos(at), expected.len());
            expected.push((at, expected.len()));
        };
        for _ in 0..100 {
            schedule(&mut queue, 0);
        }
        let mut found = Vec::new();
        for end in (0..).step_by(SLOT as usize / 4).take(400) {
            while let Some((at, event)) = queue.next(Instant::from_nanos(end)) {
                assert!(at <= Instant::from_nanos(end));
                found.push((at.as_nanos(), event));
                if found.len() % 3 == 0 {
                    schedule(&mut queue, at.as_nanos());
                }
            }
        }
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn event_before_the_current_slot_is_the_next_one() {
        let at = |slot| Instant::from_nanos(slot * SLOT);
        let mut queue = Queue::new();
        queue.schedule(at(5), "later");
        assert!(queue.next(at(1)).is_none());

        queue.schedule(at(2), "earlier");

        assert_eq!(queue.next(at(2)), Some((at(2), "earlier")));
        assert_eq!(queue.next(at(5)), Some((at(5), "later")));
    }

    #[test]
    fn queue_is_ordered_by_time_then_insertion() {
        let at = Instant::from_nanos;
        let mut queue = Queue::new();
        for (when, what) in [(5, "d"), (3, "b"), (3, "c"), (1, "a"), (9, "e")] {
            queue.schedule(at(when), what);
        }
        let until_5: String = std::iter::from_fn(|| queue.next(at(5)))
            .map(|(_, what)| what)
            .collect();
        assert_eq!(until_5, "abcd");
        assert_eq!(queue.next(at(9)), Some((at(9), "e")));
    }
}
