//! Zero, one or many items: the content of a `multiple="true"` field [1.4].

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::ops::Deref;

use super::Few;

type Items<T> = Few<[T; 1]>;

/// A list that holds one item without allocating: capabilities, locales, body sections.
///
/// In a composite, no item, a null and an empty array mean the same [1.4]. A peer may write one item without
/// an array around it; `Debug` shows that item without brackets. This end always writes an array.
///
/// ```
/// use amqp_proto::{symbol, types::{Many, Symbol}};
///
/// let both = [symbol!("queue"), symbol!("topic")];
/// let capabilities: Many<Symbol> = Many::from(both);
/// assert_eq!(capabilities, ["queue", "topic"]);
/// assert_eq!(Many::<Symbol>::from(["queue", "topic"]), capabilities);
/// assert_eq!(Many::<Symbol>::from("queue"), [symbol!("queue")]);
/// ```
///
/// With the feature `small` one item allocates, too.
#[derive(Clone)]
pub struct Many<T> {
    items: Items<T>,
    /// `true` if the only item was received without an array around it.
    is_bare: bool,
}

impl<T> Many<T> {
    /// Returns an empty list.
    pub fn new() -> Self {
        Self { items: Items::new(), is_bare: false }
    }

    /// Returns a list of one item that was received without an array around it.
    pub(crate) fn bare(item: T) -> Self {
        Self { is_bare: true, ..Self::from(item) }
    }

    /// Adds an item at the end.
    pub fn push(&mut self, item: T) {
        self.is_bare = false;
        self.items.push(item);
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
        &self.items
    }
}

/// Compares the items; the way in which they were written does not matter.
impl<T: PartialEq> PartialEq for Many<T> {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}

impl<T: Eq> Eq for Many<T> {}

impl<T: PartialOrd> PartialOrd for Many<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.items.partial_cmp(&other.items)
    }
}

impl<T: Ord> Ord for Many<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.items.cmp(&other.items)
    }
}

impl<T> From<T> for Many<T> {
    fn from(item: T) -> Self {
        Self { items: Items::from([item]), is_bare: false }
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

impl<T: Clone> From<&[T]> for Many<T> {
    fn from(items: &[T]) -> Self {
        items.iter().cloned().collect()
    }
}

impl<T> AsRef<[T]> for Many<T> {
    fn as_ref(&self) -> &[T] {
        &self.items
    }
}

impl<T: PartialEq<U>, U, const LEN: usize> PartialEq<[U; LEN]> for Many<T> {
    fn eq(&self, other: &[U; LEN]) -> bool {
        *self.items == *other
    }
}

impl<T> FromIterator<T> for Many<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let items = items.into_iter();
        // `collect` would reserve up to twice the space.
        let mut many = Items::with_capacity(items.size_hint().0);
        many.extend(items);
        Self { items: many, is_bare: false }
    }
}

impl<T> Extend<T> for Many<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        self.is_bare = false;
        self.items.extend(items);
    }
}

impl<T> IntoIterator for Many<T> {
    type Item = T;
    type IntoIter = ManyIntoIter<T>;

    fn into_iter(self) -> ManyIntoIter<T> {
        ManyIntoIter(self.items.into_iter())
    }
}

impl<'a, T> IntoIterator for &'a Many<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl<T: fmt::Debug> fmt::Debug for Many<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.items {
            [item] if self.is_bare => item.fmt(f),
            items => f.debug_list().entries(items).finish(),
        }
    }
}

/// The items of a [`Many`], by value.
#[derive(Debug)]
pub struct ManyIntoIter<T>(<Items<T> as IntoIterator>::IntoIter);

impl<T> Iterator for ManyIntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}
