//! Sorts by numbers.

use core::cmp::Reverse;
use std::collections::BinaryHeap;

/// The `count` items with the smallest numbers, sorted by them; equal ones keep their order. `number` gives the number of
/// an item, and is called once for each; not at all if there is nothing to sort. The sorts of slices are compiled for each
/// type, with 5 to 10 KiB of the module each time; a heap is small, and here always of one type.
pub(crate) fn smallest_by_number<T: Copy>(
    items: &[T],
    count: usize,
    number: impl FnMut(&T) -> u64,
) -> Vec<T> {
    if items.len() < 2 {
        return items.get(..count).unwrap_or(items).to_vec();
    }
    let entries = items.iter().map(number).zip(0..).map(Reverse).collect();
    smallest(entries, count)
        .into_iter()
        .filter_map(|at| items.get(at).copied())
        .collect()
}

/// The number of an item, and its position.
type Entry = Reverse<(u64, usize)>;

/// The positions of the `count` smallest entries, in order.
#[inline(never)]
fn smallest(entries: Vec<Entry>, count: usize) -> Vec<usize> {
    let mut heap = BinaryHeap::from(entries);
    let pops = core::iter::from_fn(|| heap.pop());
    pops.take(count).map(|Reverse((_, at))| at).collect()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::limits::mix;

    #[test]
    fn equal_numbers_keep_their_order() {
        let items = [(3, 'a'), (1, 'b'), (3, 'c'), (0, 'd'), (1, 'e')];
        let sorted = smallest_by_number(&items, 5, |(number, _)| *number);
        assert_eq!(sorted, [(0, 'd'), (1, 'b'), (1, 'e'), (3, 'a'), (3, 'c')]);
    }

    #[test]
    fn any_order_is_sorted() {
        for count in 0..70_u64 {
            for seed in 0..20 {
                let items: Vec<_> = (0..count)
                    .map(|at| (mix(seed ^ mix(at)) % (count / 2 + 1), at))
                    .collect();
                let mut expected = items.clone();
                expected.sort();
                for part in [0, 1, items.len() / 2, items.len(), items.len() + 1] {
                    let smallest = smallest_by_number(&items, part, |(number, _)| *number);
                    assert_eq!(smallest, expected[..part.min(items.len())], "{items:?}");
                }
            }
        }
    }
}
