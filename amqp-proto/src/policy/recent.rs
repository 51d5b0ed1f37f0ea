//! [`Recent`]: what was used last, by address.

use alloc::collections::VecDeque;

use crate::types::Str;

/// A few things by address, such as links for answers: those that were used last.
///
/// ```
/// use amqp_proto::policy::Recent;
///
/// let mut links = Recent::new(2);
/// links.put("a".into(), 1);
/// links.put("b".into(), 2);
/// assert_eq!(links.get("a"), Some(&1)); // used last, now
/// assert_eq!(links.put("c".into(), 3), Some(2));
/// assert_eq!(links.get("b"), None);
/// ```
#[derive(Debug, Clone)]
pub struct Recent<T> {
    most: usize,
    /// That which was used last at the end.
    known: VecDeque<(Str, T)>,
}

impl<T> Recent<T> {
    /// For so many at most.
    pub const fn new(most: usize) -> Self {
        Self { most, known: VecDeque::new() }
    }

    /// Returns the value of an address, which counts as used then.
    pub fn get(&mut self, address: &str) -> Option<&T> {
        let at = self.place(address)?;
        let found = self.known.remove(at)?;
        self.known.push_back(found);
        self.known.back().map(|(_, thing)| thing)
    }

    /// Adds something, in the place of what is known by the address. Gives what is not known any more: that, or what
    /// was not used for longest if there are too many.
    pub fn put(&mut self, address: Str, thing: T) -> Option<T> {
        let replaced = self.remove(&address);
        self.known.push_back((address, thing));
        if self.known.len() <= self.most {
            return replaced;
        }
        self.known.pop_front().map(|(_, thing)| thing)
    }

    /// Forgets what is known by an address, and gives it.
    pub fn remove(&mut self, address: &str) -> Option<T> {
        let at = self.place(address)?;
        self.known.remove(at).map(|(_, thing)| thing)
    }

    fn place(&self, address: &str) -> Option<usize> {
        self.known.iter().position(|(known, _)| known.as_str() == address)
    }
}
