//! [`Tree`]: an ordered map in little code.

use alloc::vec::{self, Vec};
use core::iter::{Flatten, Map};
use core::slice;

/// The most entries of a leaf.
const LEAF: usize = 64;
/// The smallest capacity of a leaf.
const FEWEST: usize = 4;

/// An ordered map: sorted leaves of at most [`LEAF`] entries.
///
/// A search is binary, among the leaves and in one of them. An insertion or a removal moves entries of one leaf; one in
/// 32 also moves the places of the leaves behind. With a million entries that a peer chooses, that is 25 kB for each
/// insertion in the mean, about a microsecond.
///
/// The map of the standard library takes 4 kB of code for each pair of types; this one takes less than 1 kB.
#[derive(Debug, Clone)]
pub(crate) struct Tree<K, V> {
    /// None is empty.
    leaves: Vec<Vec<(K, V)>>,
    len: usize,
}

impl<K, V> Default for Tree<K, V> {
    fn default() -> Self {
        Self { leaves: Vec::new(), len: 0 }
    }
}

impl<K: Ord, V> Tree<K, V> {
    /// Returns the place of a key, as the numbers of a leaf and of an entry; as an error the place where it belongs.
    fn find(&self, key: &K) -> (usize, Result<usize, usize>) {
        let starts_before = |leaf: &Vec<(K, V)>| leaf.first().is_some_and(|(first, _)| first <= key);
        let leaf = self.leaves.partition_point(starts_before).saturating_sub(1);
        let found = self.leaves.get(leaf).map(|leaf| leaf.binary_search_by(|(own, _)| own.cmp(key)));
        (leaf, found.unwrap_or(Err(0)))
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let (leaf, Ok(at)) = self.find(key) else { return None };
        self.leaves.get(leaf)?.get(at).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (leaf, Ok(at)) = self.find(key) else { return None };
        self.leaves.get_mut(leaf)?.get_mut(at).map(|(_, value)| value)
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.find(key).1.is_ok()
    }

    /// Returns the first entry whose key is not less than this one.
    pub(crate) fn first_from(&self, key: &K) -> Option<&(K, V)> {
        let (leaf, Ok(at) | Err(at)) = self.find(key);
        let here = self.leaves.get(leaf)?.get(at);
        here.or_else(|| self.leaves.get(leaf + 1)?.first())
    }

    /// Adds an entry. Returns the value that the key had before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (leaf, found) = self.find(&key);
        match found {
            Ok(at) => {
                let entry = self.leaves.get_mut(leaf)?.get_mut(at)?;
                return Some(core::mem::replace(&mut entry.1, value));
            }
            Err(at) => self.insert_at(leaf, at, (key, value)),
        }
        None
    }

    /// Removes an entry. Returns the value.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (leaf, Ok(at)) = self.find(key) else { return None };
        self.remove_at(leaf, at).map(|(_, value)| value)
    }
}

impl<K, V> Tree<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the most memory that this many entries take, in octets.
    pub(crate) const fn octets_of(len: usize) -> usize {
        if len == 0 {
            return 0;
        }
        // Half of each leaf is vacant at most, and so of the table of leaves; a leaf has 16 entries in the mean.
        let entries = FEWEST + 2 * len + len / 4;
        entries * size_of::<(K, V)>() + (FEWEST + len / 8) * size_of::<Vec<(K, V)>>()
    }

    /// Returns the entry with the least key.
    pub(crate) fn first(&self) -> Option<&(K, V)> {
        self.leaves.first()?.first()
    }

    /// Removes the entry with the least key.
    pub(crate) fn pop_first(&mut self) -> Option<(K, V)> {
        self.remove_at(0, 0)
    }

    fn insert_at(&mut self, mut leaf: usize, mut at: usize, entry: (K, V)) {
        self.len += 1;
        let is_last = leaf + 1 == self.leaves.len();
        if let Some(entries) = self.leaves.get_mut(leaf).filter(|entries| entries.len() == LEAF) {
            // Keys mostly grow: then full leaves stay full.
            let left = if is_last && at == LEAF { LEAF } else { LEAF / 2 };
            let upper = entries.split_off(left);
            entries.shrink_to_fit();
            self.leaves.insert(leaf + 1, upper);
            if at > left || left == LEAF {
                (leaf, at) = (leaf + 1, at - left);
            }
        }
        if leaf == self.leaves.len() {
            self.leaves.push(Vec::new());
        }
        if let Some(entries) = self.leaves.get_mut(leaf) {
            entries.insert(at, entry);
        }
    }

    fn remove_at(&mut self, leaf: usize, at: usize) -> Option<(K, V)> {
        let entries = self.leaves.get_mut(leaf).filter(|entries| at < entries.len())?;
        let entry = entries.remove(at);
        let left = entries.len();
        give_back(entries);
        self.len -= 1;
        if left < LEAF / 4 {
            self.merge(leaf);
            self.merge(leaf.wrapping_sub(1));
            give_back(&mut self.leaves);
        }
        Some(entry)
    }

    /// Merges a leaf and the one behind, if they fill half a leaf at most.
    fn merge(&mut self, leaf: usize) {
        if self.leaves.get(leaf).is_some_and(Vec::is_empty) {
            self.leaves.remove(leaf);
        } else if let Some([entries, next]) =
            self.leaves.get_mut(leaf..).and_then(|all| all.first_chunk_mut())
            && entries.len() + next.len() <= LEAF / 2
        {
            entries.append(next);
            self.leaves.remove(leaf + 1);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Keeps the entries that this function wants.
    pub(crate) fn retain(&mut self, mut wants: impl FnMut(&K, &V) -> bool) {
        for (key, value) in core::mem::take(self) {
            if wants(&key, &value) {
                let (leaf, at) = match self.leaves.last() {
                    Some(last) => (self.leaves.len() - 1, last.len()),
                    None => (0, 0),
                };
                self.insert_at(leaf, at, (key, value));
            }
        }
    }

    /// Returns the entries, in the order of their keys.
    pub(crate) fn iter(&self) -> <&Self as IntoIterator>::IntoIter {
        self.into_iter()
    }

    /// Returns the values by value, in the order of their keys.
    pub(crate) fn into_values(self) -> impl Iterator<Item = V> + use<K, V> {
        self.into_iter().map(|(_, value)| value)
    }

    pub(crate) fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.leaves.iter().flatten().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.leaves.iter().flatten().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.leaves.iter_mut().flatten().map(|(_, value)| value)
    }
}

/// Gives back the room of a table that is less than half full.
fn give_back<T>(table: &mut Vec<T>) {
    if table.is_empty() {
        *table = Vec::new();
    } else if table.capacity() > FEWEST && table.len() < table.capacity() / 2 {
        table.shrink_to((table.len() + table.len() / 2).max(FEWEST));
    }
}

impl<K, V> IntoIterator for Tree<K, V> {
    type Item = (K, V);
    type IntoIter = Flatten<vec::IntoIter<Vec<(K, V)>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.leaves.into_iter().flatten()
    }
}

impl<'a, K, V> IntoIterator for &'a Tree<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Map<Flatten<slice::Iter<'a, Vec<(K, V)>>>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.leaves.iter().flatten().map(|(key, value)| (key, value))
    }
}

impl<K: Ord, V> Extend<(K, V)> for Tree<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(key, value)| _ = self.insert(key, value));
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Tree<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut tree = Self::default();
        tree.extend(entries);
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::{LEAF, Tree};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn octets(tree: &Tree<u32, u64>) -> usize {
        let leaves = tree.leaves.iter().map(|leaf| leaf.capacity() * size_of::<(u32, u64)>());
        leaves.sum::<usize>() + tree.leaves.capacity() * size_of::<Vec<(u32, u64)>>()
    }

    proptest! {
        // Random, growing and falling keys; phases that mostly add, and phases that mostly remove.
        #[test]
        fn a_tree_is_an_ordered_map_in_the_memory_that_it_tells(
            phases in proptest::collection::vec((any::<bool>(), 0..3, 1..600_u32), 1..8),
            seed in any::<u32>(),
        ) {
            let (mut tree, mut model) = (Tree::default(), BTreeMap::new());
            let mut state = seed;
            for (adds, order, steps) in phases {
                for step in 0..steps {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let key = match order {
                        0 => (state >> 8) % 2_000,
                        1 => step,
                        _ => 4_000 - step,
                    };
                    if adds == ((state >> 28) != 0) {
                        prop_assert_eq!(tree.insert(key, u64::from(state)), model.insert(key, u64::from(state)));
                    } else if order == 2 {
                        prop_assert_eq!(tree.pop_first(), model.pop_first());
                    } else {
                        prop_assert_eq!(tree.remove(&key), model.remove(&key));
                    }
                    prop_assert_eq!(tree.get(&key), model.get(&key));
                    let from = model.range(key..).next();
                    prop_assert_eq!(tree.first_from(&key).map(|(key, value)| (key, value)), from);
                    prop_assert_eq!(tree.len(), model.len());
                    prop_assert!(octets(&tree) <= Tree::<u32, u64>::octets_of(tree.len()));
                }
                prop_assert!(tree.iter().eq(model.iter()));
                prop_assert!(tree.leaves.iter().all(|leaf| (1..=LEAF).contains(&leaf.len())));
                tree.retain(|key, _| key % 16 != 0);
                model.retain(|key, _| key % 16 != 0);
                prop_assert!(tree.iter().eq(model.iter()));
                prop_assert_eq!(tree.first().map(|(key, _)| key), model.keys().next());
            }
            prop_assert!(tree.into_iter().eq(model));
        }
    }
}
