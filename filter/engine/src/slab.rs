//! Storage whose growth never moves what it stores.

use core::num::NonZeroU32;

use crate::chunks::Chunks;

/// The place of a value in a slab. It is used again after the value was removed. Not zero, so that an `Option` of it is no
/// larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(NonZeroU32);

#[derive(Debug)]
enum Slot<T> {
    Used(T),
    /// The next free slot, if there is one.
    Free(Option<Key>),
}

/// Values that keep their places. Slots are used again but not freed, so a slab keeps the memory of its largest size.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Chunks<Slot<T>>,
    free: Option<Key>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            slots: Chunks::default(),
            free: None,
            len: 0,
        }
    }
}

impl Key {
    fn new(slot: usize) -> Option<Self> {
        let number = u32::try_from(slot).ok()?.checked_add(1)?;
        NonZeroU32::new(number).map(Self)
    }

    /// The number of the slot, from 0 on.
    pub(crate) fn slot(self) -> usize {
        self.0.get().wrapping_sub(1) as usize
    }
}

impl<T> Slab<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Stores a value. None, and nothing is stored, when there are as many as a key can name (2^32 - 1).
    pub(crate) fn insert(&mut self, value: T) -> Option<Key> {
        let key = match self.free {
            Some(key) => {
                let slot = self.slots.get_mut(key.slot())?;
                let free = core::mem::replace(slot, Slot::Used(value));
                self.free = match free {
                    Slot::Free(next) => next,
                    Slot::Used(_) => None,
                };
                key
            }
            None => {
                let key = Key::new(self.slots.len())?;
                self.slots.push(Slot::Used(value));
                key
            }
        };
        self.len = self.len.saturating_add(1);
        Some(key)
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let free = self.free;
        let slot = self.slots.get_mut(key.slot())?;
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
        match self.slots.get(key.slot())? {
            Slot::Used(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.slots.get_mut(key.slot())? {
            Slot::Used(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    /// Visits the values in at most `most` slots from `cursor` on. Gives the cursor of the next slice, or None at the end.
    pub(crate) fn slice_mut(
        &mut self,
        cursor: usize,
        most: usize,
        mut visit: impl FnMut(&mut T),
    ) -> Option<usize> {
        self.slots.slice_mut(cursor, most, |slot| {
            if let Slot::Used(value) = slot {
                visit(value);
            }
        })
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

        assert_eq!((slab.len(), slab.slots.len()), (600, 600));
        let mut values = values(&mut slab);
        values.sort_unstable();
        assert_eq!(values, (0..600).collect::<Vec<_>>());
    }
}
