//! The AMQP `map`: distinct keys with values, in order [1.6.23].

use core::fmt;
use core::mem;

use alloc::collections::BinaryHeap;

use super::tree::Tree;
use super::{Items, Value};

/// Pairs of distinct keys and values, in order.
///
/// Keys may be of any type [1.6.23]. The order of the pairs is kept, and comparison takes the order into
/// account. [`get`](Self::get) and [`insert`](Self::insert) search linearly, since maps on the wire are
/// small. To build a large map, use `collect` or `extend`, which take n log n.
///
/// ```
/// use amqp_proto::types::{Map, Value};
///
/// let mut map = Map::new();
/// map.insert("colour", "red");
/// assert_eq!(map.insert("colour", "blue"), Some(Value::from("red")));
/// assert_eq!(map.get("colour"), Some(&Value::from("blue")));
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Map {
    /// Keys and values in turn.
    pub(crate) items: Items,
}

impl Map {
    /// Returns an empty map.
    pub const fn new() -> Self {
        Self { items: Items::new() }
    }

    /// Returns a map of keys and values in turn. The caller has checked that the keys are distinct.
    pub(crate) fn from_items(items: Items) -> Self {
        Self { items }
    }

    /// Sets the value of a key and returns the old value.
    ///
    /// A new key is added at the end; a known key keeps its place.
    pub fn insert(&mut self, key: impl Into<Value>, value: impl Into<Value>) -> Option<Value> {
        let key = key.into();
        let place = self.position(|own| *own == key);
        self.put(place, key, value.into())
    }

    /// Sets the value at a place, or adds the pair at the end. Returns the old value.
    fn put(&mut self, place: Option<usize>, key: Value, value: Value) -> Option<Value> {
        let items = self.items.as_vec_mut();
        match place.and_then(|at| items.get_mut(2 * at + 1)) {
            Some(slot) => Some(mem::replace(slot, value)),
            None => {
                items.push(key);
                items.push(value);
                None
            }
        }
    }

    /// Returns the value whose key is a string or symbol with the text `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.iter().find(|(own, _)| own.is_text(key)).map(|(_, value)| value)
    }

    /// Returns the value whose key is `key`, a value of any type.
    pub fn get_value(&self, key: &Value) -> Option<&Value> {
        self.iter().find(|(own, _)| *own == key).map(|(_, value)| value)
    }

    /// Removes the pair whose key is a string or symbol with the text `key`, and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.position(|own| own.is_text(key))?;
        self.items.as_vec_mut().drain(2 * at..2 * at + 2).nth(1)
    }

    fn position(&self, wanted: impl Fn(&Value) -> bool) -> Option<usize> {
        self.keys().position(wanted)
    }

    fn keys(&self) -> impl ExactSizeIterator<Item = &Value> + Clone {
        self.items.iter().step_by(2)
    }

    /// Returns the pairs, in order.
    pub fn iter(&self) -> MapIter<'_> {
        MapIter(self.items.chunks_exact(2))
    }

    /// Returns the number of pairs.
    pub fn len(&self) -> usize {
        self.items.len() / 2
    }

    /// Returns `true` if the map has no pairs.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns `true` if a key occurs twice [1.6.23].
    pub(crate) fn has_duplicate_keys(&self) -> bool {
        if self.len() > FEW {
            return has_duplicates(self.keys());
        }
        let mut items = &*self.items;
        while let [key, _, rest @ ..] = items {
            let mut others = rest;
            while let [other, _, more @ ..] = others {
                if other == key {
                    return true;
                }
                others = more;
            }
            items = rest;
        }
        false
    }
}

impl<K: Into<Value>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut map = Self::new();
        map.extend(pairs);
        map
    }
}

impl<K: Into<Value>, V: Into<Value>> Extend<(K, V)> for Map {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        let mut places = KeyPositions::new();
        for (key, value) in pairs {
            let key = key.into();
            let place = places.find(&key, self.keys());
            self.put(place, key, value.into());
        }
    }
}

/// Up to this number of keys, each is compared with all others.
const FEW: usize = 8;

/// Returns `true` if a key occurs twice. Takes n log n comparisons, so a hostile map cannot cause more work.
fn has_duplicates<K: Ord>(keys: impl Iterator<Item = K>) -> bool {
    // A heap sorts in less code than `sort`.
    let sorted = keys.collect::<BinaryHeap<K>>().into_sorted_vec();
    sorted.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
}

/// Finds the places of keys in a growing map. Many keys are found by a tree, so that a hostile map cannot cause
/// quadratic work.
struct KeyPositions<K>(Tree<K, usize>);

impl<K: Ord + Clone> KeyPositions<K> {
    /// From this length on, keys are found by the tree.
    const MANY: usize = 32;

    fn new() -> Self {
        Self(Tree::default())
    }

    /// Returns the place of a key among the map's keys. A new key has none, and is expected to be added at the end.
    fn find<'a>(&mut self, key: &K, keys: impl ExactSizeIterator<Item = &'a K>) -> Option<usize>
    where
        K: 'a,
    {
        let len = keys.len();
        if len < Self::MANY {
            return keys.into_iter().position(|own| own == key);
        }
        if self.0.is_empty() {
            self.0.extend(keys.cloned().zip(0..));
        }
        let place = self.0.get(key).copied();
        if place.is_none() {
            self.0.insert(key.clone(), len);
        }
        place
    }
}

impl<K: Into<Value>, V: Into<Value>, const LEN: usize> From<[(K, V); LEN]> for Map {
    fn from(pairs: [(K, V); LEN]) -> Self {
        pairs.into_iter().collect()
    }
}

impl IntoIterator for Map {
    type Item = (Value, Value);
    type IntoIter = MapIntoIter;

    fn into_iter(mut self) -> MapIntoIter {
        MapIntoIter(self.items.take().into_iter())
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a Value, &'a Value);
    type IntoIter = MapIter<'a>;

    fn into_iter(self) -> MapIter<'a> {
        self.iter()
    }
}

/// The pairs of a [`Map`], in order.
#[derive(Debug, Clone)]
pub struct MapIter<'a>(core::slice::ChunksExact<'a, Value>);

impl<'a> Iterator for MapIter<'a> {
    type Item = (&'a Value, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        match self.0.next()? {
            [key, value] => Some((key, value)),
            _ => None,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for MapIter<'_> {}

/// The pairs of a [`Map`], by value, in order.
#[derive(Debug)]
pub struct MapIntoIter(alloc::vec::IntoIter<Value>);

impl Iterator for MapIntoIter {
    type Item = (Value, Value);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let pairs = self.0.len() / 2;
        (pairs, Some(pairs))
    }
}

impl ExactSizeIterator for MapIntoIter {}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (key, value)) in self.iter().enumerate() {
            write!(f, "{}{key:?} = {value:?}", if at == 0 { "" } else { ", " })?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::cell::Cell;
    use core::cmp::Ordering;

    use super::{KeyPositions, has_duplicates};

    /// A key that counts the comparisons of all keys.
    #[derive(Clone)]
    struct Counted<'a>(u64, &'a Cell<u64>);

    impl Ord for Counted<'_> {
        fn cmp(&self, other: &Self) -> Ordering {
            self.1.set(self.1.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    impl PartialOrd for Counted<'_> {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl PartialEq for Counted<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other).is_eq()
        }
    }

    impl Eq for Counted<'_> {}

    const KEYS: u64 = 4_096;

    /// Returns distinct keys in the orders that a peer may choose: up, down, and scattered.
    fn orders() -> [Vec<u64>; 3] {
        [
            (0..KEYS).collect(),
            (0..KEYS).rev().collect(),
            (0..KEYS).map(|n| n * 2_654_435_761 % KEYS).collect(),
        ]
    }

    /// Returns a bound far above n log n, and far below the n * n / 2 of a linear search for each key.
    fn bound() -> u64 {
        8 * KEYS * u64::from(KEYS.ilog2())
    }

    /// E-MAP-02 [1.6.23]: looking for equal keys takes n log n comparisons, in whatever order the keys stand.
    #[test]
    fn e_map_02_a_large_map_cannot_buy_more_than_n_log_n() {
        for mut order in orders() {
            for is_twice in [false, true] {
                let compared = Cell::new(0);
                let keys: Vec<_> = order.iter().map(|key| Counted(*key, &compared)).collect();
                assert_eq!(has_duplicates(keys.iter()), is_twice);
                assert!((KEYS - 1..bound()).contains(&compared.get()), "{}", compared.get());
                if let [first, .., last] = &mut order[..] {
                    *last = *first;
                }
            }
        }
    }

    /// E-MAP-02, E-MAP-03 [1.6.23]: collecting a map takes n log n comparisons; each key is found where it stands.
    #[test]
    fn e_map_03_a_large_map_is_collected_in_n_log_n() {
        for order in orders() {
            let compared = Cell::new(0);
            let (mut places, mut keys) = (KeyPositions::new(), Vec::new());
            for key in order.iter().map(|key| Counted(*key, &compared)) {
                assert_eq!(places.find(&key, keys.iter()), None);
                keys.push(key);
            }
            for (at, key) in keys.iter().enumerate() {
                assert_eq!(places.find(key, keys.iter()), Some(at));
            }
            assert!(compared.get() < 2 * bound(), "{}", compared.get());
        }
    }
}
