//! The AMQP `list`: values of any types in sequence [1.6.22].

use core::fmt;
use core::ops::Deref;

use alloc::vec::Vec;

use super::{Items, Value};

/// Values of any types in sequence; reads as a slice.
///
/// ```
/// use amqp_proto::types::{List, Value};
///
/// let mut list = List::new();
/// list.push(1u32);
/// list.push("two");
/// assert_eq!(list.len(), 2);
/// assert_eq!(list[0], Value::Uint(1));
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct List {
    pub(crate) items: Items,
}

impl List {
    /// Returns an empty list.
    pub const fn new() -> Self {
        Self { items: Items::new() }
    }

    /// Adds a value at the end.
    pub fn push(&mut self, value: impl Into<Value>) {
        self.items.as_vec_mut().push(value.into());
    }

    /// Converts the list into its values.
    pub fn into_vec(mut self) -> Vec<Value> {
        self.items.take()
    }
}

impl Deref for List {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.items
    }
}

impl From<Vec<Value>> for List {
    fn from(values: Vec<Value>) -> Self {
        Self { items: values.into() }
    }
}

impl<T: Into<Value>> FromIterator<T> for List {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::from(values.into_iter().map(Into::into).collect::<Vec<_>>())
    }
}

impl<T: Into<Value>> Extend<T> for List {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        self.items.as_vec_mut().extend(values.into_iter().map(Into::into));
    }
}

impl IntoIterator for List {
    type Item = Value;
    type IntoIter = alloc::vec::IntoIter<Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_vec().into_iter()
    }
}

impl<'a> IntoIterator for &'a List {
    type Item = &'a Value;
    type IntoIter = core::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
