//! Zero, one or many: what a `multiple="true"` field holds [1.4].

use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use smallvec::SmallVec;

/// A list that holds one item without allocating: capabilities, locales, body sections.
///
/// In a composite, no item, a null and an empty array are the same thing (E-COMP-07).
///
/// ```
/// use amqp_proto::{symbol, types::Many};
///
/// let capabilities = Many::from([symbol!("queue"), symbol!("topic")]);
/// assert_eq!(capabilities.len(), 2);
/// assert_eq!(Many::from(symbol!("queue"))[0], symbol!("queue"));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Many<T>(SmallVec<[T; 1]>);

impl<T> Many<T> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(SmallVec::new())
    }

    /// Adds an item at the end.
    pub fn push(&mut self, item: T) {
        self.0.push(item);
    }
}

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for Many<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> From<T> for Many<T> {
    fn from(item: T) -> Self {
        Self(SmallVec::from_buf([item]))
    }
}

impl<T> From<Vec<T>> for Many<T> {
    fn from(items: Vec<T>) -> Self {
        items.into_iter().collect()
    }
}

impl<T, const LEN: usize> From<[T; LEN]> for Many<T> {
    fn from(items: [T; LEN]) -> Self {
        items.into_iter().collect()
    }
}

impl<T> FromIterator<T> for Many<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let items = items.into_iter();
        // Collecting would make room for up to twice as many.
        let mut many = SmallVec::with_capacity(items.size_hint().0);
        many.extend(items);
        Self(many)
    }
}

impl<T> Extend<T> for Many<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        self.0.extend(items);
    }
}

impl<T> IntoIterator for Many<T> {
    type Item = T;
    type IntoIter = ManyIntoIter<T>;

    fn into_iter(self) -> ManyIntoIter<T> {
        ManyIntoIter(self.0.into_iter())
    }
}

impl<'a, T> IntoIterator for &'a Many<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: fmt::Debug> fmt::Debug for Many<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// The items of a [`Many`], by value.
#[derive(Debug)]
pub struct ManyIntoIter<T>(smallvec::IntoIter<[T; 1]>);

impl<T> Iterator for ManyIntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}
