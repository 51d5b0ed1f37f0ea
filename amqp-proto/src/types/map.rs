//! The AMQP `map`: distinct keys with values, in order [1.6.23].

use core::fmt;
use core::mem;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

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
        let (key, value) = (key.into(), value.into());
        let place = self.position(|own| *own == key);
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
        self.iter().position(|(key, _)| wanted(key))
    }

    /// Returns the pairs, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Value, &Value)> + Clone {
        let (keys, values) = (self.items.iter().step_by(2), self.items.iter().skip(1).step_by(2));
        keys.zip(values)
    }

    /// Returns the number of pairs.
    pub fn len(&self) -> usize {
        self.items.len() / 2
    }

    /// Returns `true` if the map has no pairs.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns `true` if a key occurs twice [1.6.23]. Takes n log n, so a hostile map cannot cause more work.
    pub(crate) fn has_duplicate_keys(&self) -> bool {
        const FEW: usize = 8;
        let keys = || self.items.iter().step_by(2);
        if self.len() <= FEW {
            return keys().enumerate().any(|(at, key)| keys().take(at).any(|other| other == key));
        }
        let mut sorted: Vec<&Value> = keys().collect();
        sorted.sort_unstable();
        sorted.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
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
        /// From this length on, keys are found by a tree, so that a hostile map cannot cause quadratic work.
        const MANY: usize = 32;
        let mut places = BTreeMap::new();
        for (key, value) in pairs {
            if self.len() < MANY {
                self.insert(key, value);
                continue;
            }
            if places.is_empty() {
                places.extend(self.iter().zip(0..).map(|((key, _), at)| (key.clone(), at)));
            }
            let (key, value, end): (Value, Value, usize) = (key.into(), value.into(), self.len());
            let items = self.items.as_vec_mut();
            match places.get(&key).and_then(|at| items.get_mut(2 * at + 1)) {
                Some(slot) => *slot = value,
                None => {
                    places.insert(key.clone(), end);
                    items.push(key);
                    items.push(value);
                }
            }
        }
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (key, value)) in self.iter().enumerate() {
            write!(f, "{}{key:?} = {value:?}", if at == 0 { "" } else { ", " })?;
        }
        f.write_str("}")
    }
}
