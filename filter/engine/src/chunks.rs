//! A list whose growth never moves its elements.

/// Elements that are allocated together.
const CHUNK: usize = 256;

/// Elements in chunks of a fixed size. A `Vec` copies all of its elements when it grows, which for those of all connections
/// stops the worker for tens of milliseconds. Here a push allocates at most one chunk, and copies no element.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    /// All but the last are full, and none has a greater capacity than [`CHUNK`].
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Chunks<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, element: T) {
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(last) = self.chunks.last_mut() {
            last.push(element);
            self.len = self.len.saturating_add(1);
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.chunks.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }

    /// Visits at most `most` elements from `cursor` on. Gives the cursor of the next slice, or None at the end.
    pub(crate) fn slice_mut(
        &mut self,
        cursor: usize,
        most: usize,
        mut visit: impl FnMut(&mut T),
    ) -> Option<usize> {
        let end = cursor.saturating_add(most).min(self.len);
        let mut at = cursor;
        while at < end {
            let chunk = self.chunks.get_mut(at / CHUNK)?;
            let rest = chunk.get_mut(at % CHUNK..)?;
            let taken = rest.len().min(end.saturating_sub(at));
            rest.iter_mut().take(taken).for_each(&mut visit);
            at = at.saturating_add(taken);
        }
        (at < self.len).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn numbers(count: u32) -> Chunks<u32> {
        let mut chunks = Chunks::default();
        (0..count).for_each(|number| chunks.push(number));
        chunks
    }

    #[test]
    fn growth_moves_no_element() {
        let mut chunks = numbers(1000);
        let place = |chunks: &Chunks<u32>, at| core::ptr::from_ref(chunks.get(at).unwrap());
        let places: Vec<_> = (0..1000).map(|at| place(&chunks, at)).collect();

        (1000..200_000).for_each(|number| chunks.push(number));

        for (at, before) in places.into_iter().enumerate() {
            assert_eq!(place(&chunks, at), before);
            assert_eq!(chunks.get(at), Some(&(at as u32)));
        }
        assert!(chunks.chunks.iter().all(|it| it.capacity() == CHUNK));
    }

    #[test]
    fn slices_are_bounded_and_visit_every_element_once() {
        for count in [0, 1, 255, 256, 257, 1000, 1024] {
            for most in [1, 100, 256, 300, 5000] {
                let mut chunks = numbers(count);
                let (mut cursor, mut seen) = (Some(0), Vec::new());
                while let Some(at) = cursor {
                    let before = seen.len();
                    cursor = chunks.slice_mut(at, most, |number| seen.push(*number));
                    assert!(seen.len() - before <= most);
                }
                assert_eq!(seen, (0..count).collect::<Vec<_>>(), "{most}");
            }
        }
    }
}
