//! [`TreeSet`]: an ordered set in little code.

use core::iter;

use super::Tree;

/// An ordered set: the keys of a [`Tree`].
#[derive(Debug, Clone)]
pub(crate) struct TreeSet<K>(Tree<K, ()>);

impl<K> Default for TreeSet<K> {
    fn default() -> Self {
        Self(Tree::default())
    }
}

impl<K: Ord> TreeSet<K> {
    /// Adds a key. Returns `false` if it is there already.
    pub(crate) fn insert(&mut self, key: K) -> bool {
        self.0.insert(key, ()).is_none()
    }

    /// Removes a key. Returns `true` if it was there.
    pub(crate) fn remove(&mut self, key: &K) -> bool {
        self.0.remove(key).is_some()
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }
}

impl<K> TreeSet<K> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the most memory that this many keys take, in octets.
    pub(crate) const fn octets_of(len: usize) -> usize {
        Tree::<K, ()>::octets_of(len)
    }

    /// Returns the keys, in order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.0.keys()
    }
}

impl<K> IntoIterator for TreeSet<K> {
    type Item = K;
    type IntoIter = iter::Map<<Tree<K, ()> as IntoIterator>::IntoIter, fn((K, ())) -> K>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().map(|(key, ())| key)
    }
}

impl<'a, K> IntoIterator for &'a TreeSet<K> {
    type Item = &'a K;
    type IntoIter = iter::Map<<&'a Tree<K, ()> as IntoIterator>::IntoIter, fn((&'a K, &'a ())) -> &'a K>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, ())| key)
    }
}

impl<K: Ord> Extend<K> for TreeSet<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, keys: I) {
        self.0.extend(keys.into_iter().map(|key| (key, ())));
    }
}

impl<K: Ord> FromIterator<K> for TreeSet<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        Self(keys.into_iter().map(|key| (key, ())).collect())
    }
}
