//! Sorts by numbers.

use std::collections::BinaryHeap;

/// Sorts items by a number that `number` gives for each, once; equal ones keep their order. The sorts of the standard
/// library are compiled for each type, with 5 to 10 KiB of the module each time; the heap here always has the same type.
pub(crate) fn sort_by_number<T: Copy>(items: &[T], number: impl FnMut(&T) -> u64) -> Vec<T> {
    let order: BinaryHeap<(u64, usize)> = items.iter().map(number).zip(0..).collect();
    let order = order.into_sorted_vec().into_iter();
    order.filter_map(|(_, at)| items.get(at).copied()).collect()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn equal_numbers_keep_their_order() {
        let items = [(3, 'a'), (1, 'b'), (3, 'c'), (0, 'd'), (1, 'e')];
        let sorted = sort_by_number(&items, |(number, _)| *number);
        assert_eq!(sorted, [(0, 'd'), (1, 'b'), (1, 'e'), (3, 'a'), (3, 'c')]);
    }
}
