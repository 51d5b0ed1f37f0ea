//! [`Recent`]: the values used last, by address.

use alloc::collections::VecDeque;

use crate::types::Str;

/// A bounded map from addresses to values, such as links for answers, that keeps the values used last.
///
/// ```
/// use amqp_proto::policy::Recent;
///
/// let mut links = Recent::new(2);
/// links.put("a".into(), 1);
/// links.put("b".into(), 2);
/// assert_eq!(links.get("a"), Some(&1)); // now the last used
/// assert_eq!(links.put("c".into(), 3), Some(2));
/// assert_eq!(links.get("b"), None);
/// ```
#[derive(Debug, Clone)]
pub struct Recent<T> {
    most: usize,
    /// The entries, the last used at the end.
    known: VecDeque<(Str, T)>,
}

impl<T> Recent<T> {
    /// Returns an empty map for at most `most` values.
    pub const fn new(most: usize) -> Self {
        Self { most, known: VecDeque::new() }
    }

    /// Returns the value of an address, and marks it as used.
    pub fn get(&mut self, address: &str) -> Option<&T> {
        let at = self.place(address)?;
        let found = self.known.remove(at)?;
        self.known.push_back(found);
        self.known.back().map(|(_, thing)| thing)
    }

    /// Adds a value. Returns the evicted value: the replaced one, or the least recently used one if there are
    /// too many.
    pub fn put(&mut self, address: Str, thing: T) -> Option<T> {
        let replaced = self.remove(&address);
        self.known.push_back((address, thing));
        if self.known.len() <= self.most {
            return replaced;
        }
        self.known.pop_front().map(|(_, thing)| thing)
    }

    /// Removes and returns the value of an address.
    pub fn remove(&mut self, address: &str) -> Option<T> {
        let at = self.place(address)?;
        self.known.remove(at).map(|(_, thing)| thing)
    }

    fn place(&self, address: &str) -> Option<usize> {
        self.known.iter().position(|(known, _)| known.as_str() == address)
    }
}
