//! Sorts by numbers.

/// Sorts items by a number that `number` gives for each, once; equal ones keep their order. The sorts of the standard
/// library are compiled for each type, with 5 to 10 KiB of the module each time.
pub(crate) fn sort_by_number<T: Copy>(items: &[T], number: impl FnMut(&T) -> u64) -> Vec<T> {
    let mut order: Vec<Entry> = items.iter().map(number).zip(0..).collect();
    heapsort(&mut order);
    let at = |(_, at)| items.get(at).copied();
    order.into_iter().filter_map(at).collect()
}

/// The number of an item, and its position.
type Entry = (u64, usize);

/// Small, and needs no memory.
#[inline(never)]
fn heapsort(entries: &mut [Entry]) {
    let all = entries.len();
    for root in (0..all / 2).rev() {
        sift_down(entries, root);
    }
    for last in (1..all).rev() {
        entries.swap(0, last);
        if let Some(rest) = entries.get_mut(..last) {
            sift_down(rest, 0);
        }
    }
}

/// Moves an entry down until none below it is larger.
fn sift_down(heap: &mut [Entry], mut root: usize) {
    loop {
        let left = root.saturating_mul(2).saturating_add(1);
        let right = left.saturating_add(1);
        let larger = if heap.get(left) < heap.get(right) {
            right
        } else {
            left
        };
        // A position outside the heap gives `None`, which is less than every entry.
        if heap.get(larger) <= heap.get(root) {
            return;
        }
        heap.swap(root, larger);
        root = larger;
    }
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
