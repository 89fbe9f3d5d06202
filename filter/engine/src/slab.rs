//! Storage whose growth never moves what it stores.

/// Slots that are allocated together. A chunk is neither copied nor freed, so a slab keeps the memory of its largest size.
/// Free slots are used again before a new chunk is allocated.
const CHUNK: usize = 256;

/// The place of a value in a slab. It is used again after the value was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u32);

#[derive(Debug)]
enum Slot<T> {
    Used(T),
    /// The next free slot, if there is one.
    Free(Option<Key>),
}

/// Values in chunks of a fixed size. A `Vec` or a hash map of all connections copies every one of them when it grows, which
/// stops the worker for tens of milliseconds. Here an insertion allocates at most one chunk, and copies no value.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    /// All but the last are full, and none has a greater capacity than [`CHUNK`].
    chunks: Vec<Vec<Slot<T>>>,
    free: Option<Key>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: None,
            len: 0,
        }
    }
}

impl Key {
    fn new(chunk: usize, offset: usize) -> Option<Self> {
        let slot = chunk.checked_mul(CHUNK)?.checked_add(offset)?;
        u32::try_from(slot).ok().map(Self)
    }

    /// The chunk, and the offset in it.
    fn place(self) -> (usize, usize) {
        let slot = self.0 as usize;
        (slot / CHUNK, slot % CHUNK)
    }
}

impl<T> Slab<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Stores a value. None, and nothing is stored, when there are as many as a key can name (2^32).
    pub(crate) fn insert(&mut self, value: T) -> Option<Key> {
        let key = match self.free {
            Some(key) => {
                let slot = self.slot_mut(key)?;
                let free = core::mem::replace(slot, Slot::Used(value));
                self.free = match free {
                    Slot::Free(next) => next,
                    Slot::Used(_) => None,
                };
                key
            }
            None => self.push(value)?,
        };
        self.len = self.len.saturating_add(1);
        Some(key)
    }

    fn push(&mut self, value: T) -> Option<Key> {
        if self.chunks.last().is_none_or(|last| last.len() >= CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let chunk = self.chunks.len().checked_sub(1)?;
        let last = self.chunks.last_mut()?;
        let key = Key::new(chunk, last.len())?;
        last.push(Slot::Used(value));
        Some(key)
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let free = self.free;
        let slot = self.slot_mut(key)?;
        if let Slot::Free(_) = slot {
            return None;
        }
        let removed = core::mem::replace(slot, Slot::Free(free));
        self.free = Some(key);
        self.len = self.len.saturating_sub(1);
        match removed {
            Slot::Used(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let (chunk, offset) = key.place();
        match self.chunks.get(chunk)?.get(offset)? {
            Slot::Used(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.slot_mut(key)? {
            Slot::Used(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    fn slot_mut(&mut self, key: Key) -> Option<&mut Slot<T>> {
        let (chunk, offset) = key.place();
        self.chunks.get_mut(chunk)?.get_mut(offset)
    }

    /// Visits the values in at most `most` slots from `cursor` on. Gives the cursor of the next slice, or None at the end.
    pub(crate) fn slice_mut(
        &mut self,
        cursor: usize,
        most: usize,
        mut visit: impl FnMut(&mut T),
    ) -> Option<usize> {
        let mut at = cursor;
        let end = cursor.saturating_add(most);
        while at < end {
            let (chunk, offset) = (at / CHUNK, at % CHUNK);
            let slots = self.chunks.get_mut(chunk)?.get_mut(offset..)?;
            let room = end.saturating_sub(at);
            let taken = slots.len().min(room);
            for slot in slots.iter_mut().take(room) {
                if let Slot::Used(value) = slot {
                    visit(value);
                }
            }
            at = at.saturating_add(taken);
            if taken < room && offset.saturating_add(taken) < CHUNK {
                return None;
            }
        }
        let last = self.chunks.len().checked_sub(1)?;
        let used = self.chunks.last().map_or(0, Vec::len);
        let all = last.saturating_mul(CHUNK).saturating_add(used);
        (at < all).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn values(slab: &mut Slab<u32>) -> Vec<u32> {
        let mut values = Vec::new();
        slab.slice_mut(0, usize::MAX, |value| values.push(*value));
        values
    }

    #[test]
    fn growth_moves_no_value() {
        let mut slab = Slab::default();
        let keys: Vec<_> = (0..1000_u32)
            .map(|value| slab.insert(value).unwrap())
            .collect();
        let places: Vec<_> = keys
            .iter()
            .map(|key| core::ptr::from_ref(slab.get(*key).unwrap()))
            .collect();

        for value in 1000..200_000 {
            slab.insert(value).unwrap();
        }

        for ((key, place), value) in keys.iter().zip(places).zip(0..) {
            let stored = slab.get(*key).unwrap();
            assert_eq!((*stored, core::ptr::from_ref(stored)), (value, place));
        }
        assert!(slab.chunks.iter().all(|chunk| chunk.capacity() == CHUNK));
    }

    #[test]
    fn slices_are_bounded_and_visit_every_value_once() {
        for count in [0, 1, 255, 256, 257, 1000, 1024] {
            for most in [1, 100, 256, 300, 5000] {
                let mut slab = Slab::default();
                for value in 0..count {
                    slab.insert(value).unwrap();
                }
                let (mut cursor, mut seen) = (Some(0), Vec::new());
                while let Some(at) = cursor {
                    let before = seen.len();
                    cursor = slab.slice_mut(at, most, |value| seen.push(*value));
                    assert!(seen.len() - before <= most);
                }
                assert_eq!(seen, (0..count).collect::<Vec<_>>(), "{most}");
            }
        }
    }

    #[test]
    fn removed_slots_are_used_again() {
        let mut slab = Slab::default();
        let keys: Vec<_> = (0..600).map(|value| slab.insert(value).unwrap()).collect();
        for (key, value) in keys.iter().zip(0..) {
            assert_eq!(slab.remove(*key), Some(value));
            assert_eq!((slab.remove(*key), slab.get(*key)), (None, None));
        }
        assert_eq!((slab.len(), values(&mut slab)), (0, Vec::new()));

        for value in 0..600 {
            slab.insert(value).unwrap();
        }

        assert_eq!((slab.len(), slab.chunks.len()), (600, 3));
        let mut values = values(&mut slab);
        values.sort_unstable();
        assert_eq!(values, (0..600).collect::<Vec<_>>());
    }
}
