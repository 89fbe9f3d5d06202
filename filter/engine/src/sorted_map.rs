//! A map that takes little code.

use core::borrow::Borrow;

/// A map of up to a few thousand entries, in a vector that is sorted by key. A lookup takes logarithmic time; an
/// insertion or a removal moves the entries behind it.
///
/// A tree or a hash map is compiled for each pair of types, with 3 to 7 KiB of the module each time, and every proxy
/// compiles the module when it starts. Use [`OrderedIds`](crate::OrderedIds) or [`IdTable`](crate::IdTable) where the number
/// of entries grows with connections: this map would move megabytes, and a hash map pauses when it grows.
#[derive(Clone, Debug)]
pub struct SortedMap<K, V> {
    entries: Vec<(K, V)>,
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        let entries = Vec::new();
        Self { entries }
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// Where the entry of a key is, or else where it belongs.
    fn position<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        let compare = |(held, _): &(K, V)| held.borrow().cmp(key);
        self.entries.binary_search_by(compare)
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// There is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The key and the value of an entry.
    pub fn get_key_value<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let at = self.position(key).ok()?;
        self.entries.get(at).map(|(key, value)| (key, value))
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// The value of a key, to change it.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.position(key).ok()?;
        self.entries.get_mut(at).map(|(_, value)| value)
    }

    /// The key has an entry.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.position(key).is_ok()
    }

    /// Sets the value of a key. False if it had one, which was replaced.
    pub fn insert(&mut self, key: K, value: V) -> bool {
        let position = self.position(&key);
        match position {
            Ok(at) => {
                if let Some((_, held)) = self.entries.get_mut(at) {
                    *held = value;
                }
            }
            Err(at) => self.entries.insert(at, (key, value)),
        }
        position.is_err()
    }

    /// The value of a key, which `new` gives if it has none.
    #[expect(clippy::indexing_slicing, reason = "the position was just found")]
    pub fn get_or_insert_with(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        match self.position(&key) {
            Ok(at) => &mut self.entries[at].1,
            Err(at) => &mut self.entries.insert_mut(at, (key, new())).1,
        }
    }

    /// The value of a key, the default one if it has none.
    pub fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.get_or_insert_with(key, V::default)
    }

    /// Removes the entry of a key.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.position(key).ok()?;
        Some(self.entries.remove(at).1)
    }

    /// Changes the value of a key, and removes its entry if `change` gives true.
    pub fn change_or_remove<Q: Ord + ?Sized>(
        &mut self,
        key: &Q,
        change: impl FnOnce(&mut V) -> bool,
    ) where
        K: Borrow<Q>,
    {
        if let Ok(at) = self.position(key)
            && let Some((_, value)) = self.entries.get_mut(at)
            && change(value)
        {
            self.entries.remove(at);
        }
    }

    /// Removes the entry of the lowest key.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        (!self.is_empty()).then(|| self.entries.remove(0))
    }

    /// Removes the entries that are not `kept`.
    pub fn retain(&mut self, mut kept: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain_mut(|(key, value)| kept(key, value));
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The entries, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// The entries, to change their values.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.entries.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// The keys, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.entries.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::mix;

    #[test]
    fn behaves_like_a_tree() {
        let (mut map, mut tree) = (SortedMap::default(), BTreeMap::new());
        for step in 0..10_000_u64 {
            let key = mix(step) % 64;
            match mix(!step) % 5 {
                0 => assert_eq!(map.remove(&key), tree.remove(&key)),
                1 => assert_eq!(map.insert(key, step), tree.insert(key, step).is_none()),
                2 => assert_eq!(map.get_or_default(key), tree.entry(key).or_default()),
                3 => {
                    map.change_or_remove(&key, |value| value.is_multiple_of(2));
                    if tree.get(&key).is_some_and(|value| value.is_multiple_of(2)) {
                        tree.remove(&key);
                    }
                }
                _ if key == 0 => assert_eq!(map.pop_first(), tree.pop_first()),
                _ => assert_eq!(map.get_mut(&key), tree.get_mut(&key)),
            }
            assert_eq!(map.get_key_value(&key), tree.get_key_value(&key));
            assert_eq!(map.contains_key(&key), tree.contains_key(&key));
            assert!(map.iter().eq(&tree) && map.len() == tree.len());
        }
        map.retain(|key, _| key % 2 == 0);
        tree.retain(|key, _| key % 2 == 0);
        assert!(map.keys().eq(tree.keys()) && map.values().eq(tree.values()));
        map.clear();
        assert!(map.is_empty());
    }
}
