//! What will happen, earliest first; what happens at the same time, in the order in which it was planned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use evenkeel_engine::Instant;

pub struct Queue<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    planned: u64,
}

struct Entry<T> {
    at: Instant,
    turn: u64,
    what: T,
}

impl<T> Queue<T> {
    pub fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            planned: 0,
        }
    }

    pub fn plan(&mut self, at: Instant, what: T) {
        let turn = self.planned;
        self.planned += 1;
        self.heap.push(Reverse(Entry { at, turn, what }));
    }

    /// The next thing, if it happens at `end` at the latest.
    pub fn next(&mut self, end: Instant) -> Option<(Instant, T)> {
        let Reverse(first) = self.heap.peek()?;
        if first.at > end {
            return None;
        }
        let Reverse(first) = self.heap.pop()?;
        Some((first.at, first.what))
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
        (self.at, self.turn).cmp(&(other.at, other.turn))
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
            queue.plan(at(when), what);
        }
        let until_5: String = std::iter::from_fn(|| queue.next(at(5)))
            .map(|(_, what)| what)
            .collect();
        assert_eq!(until_5, "abcd");
        assert_eq!(queue.next(at(9)), Some((at(9), "e")));
    }
}
