//! Sorts by numbers.

use std::collections::BinaryHeap;

/// Sorts items by a number that `number` gives for each, at most once; equal ones keep their order. The sorts of slices are
/// compiled for each type, with 5 to 10 KiB of the module each time; that of a heap is small, and here always of one type.
pub(crate) fn sort_by_number<T: Copy>(items: &[T], number: impl FnMut(&T) -> u64) -> Vec<T> {
    if items.len() < 2 {
        return items.to_vec();
    }
    let order: Vec<Entry> = items.iter().map(number).zip(0..).collect();
    let at = |(_, at)| items.get(at).copied();
    sorted(order).into_iter().filter_map(at).collect()
}

/// The number of an item, and its position.
type Entry = (u64, usize);

#[inline(never)]
fn sorted(entries: Vec<Entry>) -> Vec<Entry> {
    BinaryHeap::from(entries).into_sorted_vec()
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
        let sorted = sort_by_number(&items, |(number, _)| *number);
        assert_eq!(sorted, [(0, 'd'), (1, 'b'), (1, 'e'), (3, 'a'), (3, 'c')]);
    }

    #[test]
    fn any_order_is_sorted() {
        for count in 0..70_u64 {
            for seed in 0..20 {
                let items: Vec<_> = (0..count)
                    .map(|at| (mix(seed ^ mix(at)) % (count / 2 + 1), at))
                    .collect();
                let sorted = sort_by_number(&items, |(number, _)| *number);
                assert!(sorted.is_sorted(), "{items:?}");
                assert_eq!(sorted.len(), items.len());
            }
        }
    }
}
