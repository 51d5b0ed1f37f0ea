//! [`Slab`]: a table of values with keys.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::types::{Index, Key, KeyNumbers};

/// A table whose entries are reused, each time with another key. `I` is the type of its indexes.
#[derive(Debug)]
pub(crate) struct Slab<T, I = u32> {
    numbers: KeyNumbers,
    entries: Vec<Entry<T>>,
    free: Vec<I>,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    /// Boxed, so that growing moves pointers only, and a free entry is small.
    value: Option<Box<T>>,
}

impl<T, I> Default for Slab<T, I> {
    fn default() -> Self {
        Self { numbers: KeyNumbers::default(), entries: Vec::new(), free: Vec::new() }
    }
}

impl<T, I: Index> Slab<T, I> {
    /// Adds a value, made with its key, to a free entry; `None` if there are 2^32 - 1 values already.
    pub(crate) fn insert(&mut self, make: impl FnOnce(Key<I>) -> T) -> Option<Key<I>> {
        if let Some(index) = self.free.pop() {
            let entry = self.entries.get_mut(index.get() as usize)?;
            let key = Key { index, generation: self.numbers.take() };
            entry.generation = key.generation;
            entry.value = Some(Box::new(make(key)));
            return Some(key);
        }
        let index = u32::try_from(self.entries.len()).ok().map(I::new).filter(|index| *index != I::NONE)?;
        let key = Key { index, generation: self.numbers.take() };
        self.entries.push(Entry { generation: key.generation, value: Some(Box::new(make(key))) });
        Some(key)
    }

    /// Returns the value of a key, if it still exists.
    #[inline]
    pub(crate) fn get(&self, key: Key<I>) -> Option<&T> {
        let entry = self.entries.get(key.index.get() as usize)?;
        if entry.generation == key.generation { entry.value.as_deref() } else { None }
    }

    /// Returns the value of a key, to change it.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key<I>) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.index.get() as usize)?;
        if entry.generation == key.generation { entry.value.as_deref_mut() } else { None }
    }

    /// Returns the value at an index, with any key. For this crate's own tables, which drop an index when its
    /// entry is freed.
    #[inline]
    pub(crate) fn at(&mut self, index: I) -> Option<&mut T> {
        self.entries.get_mut(index.get() as usize)?.value.as_deref_mut()
    }

    /// Returns the value at an index, as [`at`](Self::at).
    #[inline]
    pub(crate) fn peek(&self, index: I) -> Option<&T> {
        self.entries.get(index.get() as usize)?.value.as_deref()
    }

    /// Returns the key of the value at an index.
    pub(crate) fn key(&self, index: I) -> Option<Key<I>> {
        let entry = self.entries.get(index.get() as usize)?;
        entry.value.as_ref().map(|_| Key { index, generation: entry.generation })
    }

    /// Removes the value of a key. Its entry is reused.
    pub(crate) fn remove(&mut self, key: Key<I>) -> Option<T> {
        let entry = self.entries.get_mut(key.index.get() as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        let value = entry.value.take()?;
        self.free.push(key.index);
        Some(*value)
    }

    /// Calls a function with each value.
    #[cfg(feature = "driver")]
    pub(crate) fn each_mut(&mut self, each: impl FnMut(&mut T)) {
        self.entries.iter_mut().filter_map(|entry| entry.value.as_deref_mut()).for_each(each);
    }

    /// Returns the number of values.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.vacant()
    }

    fn vacant(&self) -> usize {
        self.free.len()
    }

    /// Returns all values.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|entry| entry.value.as_deref())
    }

    /// Returns all values, to change them.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().filter_map(|entry| entry.value.as_deref_mut())
    }

    /// Returns the keys of all values, in the order of their entries.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key<I>> + '_ {
        (0..)
            .zip(&self.entries)
            .filter(|(_, entry)| entry.value.is_some())
            .map(|(index, entry)| Key { index: I::new(index), generation: entry.generation })
    }
}

#[cfg(test)]
mod tests {
    use super::Slab;

    #[test]
    fn a_place_is_used_again_and_its_old_key_names_nothing() {
        let mut slab: Slab<&str> = Slab::default();
        let old = slab.insert(|_| "old").unwrap();
        assert_eq!(slab.remove(old), Some("old"));
        let new = slab.insert(|_| "new").unwrap();
        assert!(new.index == old.index && new.generation != old.generation);
        assert_eq!((slab.get(old), slab.get(new)), (None, Some(&"new")));
        assert_eq!(slab.remove(old), None);
        assert_eq!((slab.len(), slab.keys().next()), (1, Some(new)));
    }
}
