//! Sorts by numbers.

use crate::OrderedIds;

/// Sorts items by a number that `number` gives for each, once; equal ones keep their order. The sorts of the standard
/// library are compiled for each type, with 5 to 10 KiB of the module each time.
pub(crate) fn sort_by_number<T: Copy>(items: &[T], mut number: impl FnMut(&T) -> u64) -> Vec<T> {
    let mut order = OrderedIds::default();
    for (at, item) in (0..).zip(items) {
        order.insert(number(item), at);
    }
    let at = |(_, at)| items.get(usize::try_from(at).ok()?).copied();
    order.after(None).filter_map(at).collect()
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
