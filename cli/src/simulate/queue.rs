//! Scheduled events in order of time; events of one time are in the order in which they were scheduled.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use evenkeel_engine::Instant;

pub struct Queue<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
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
            heap: BinaryHeap::new(),
            scheduled: 0,
        }
    }

    pub fn schedule(&mut self, at: Instant, event: T) {
        let sequence = self.scheduled;
        self.scheduled += 1;
        self.heap.push(Reverse(Entry {
            at,
            sequence,
            event,
        }));
    }

    /// Removes and returns the next event that is not after `end`.
    pub fn next(&mut self, end: Instant) -> Option<(Instant, T)> {
        let Reverse(first) = self.heap.peek()?;
        if first.at > end {
            return None;
        }
        let Reverse(first) = self.heap.pop()?;
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
    use super::*;

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
