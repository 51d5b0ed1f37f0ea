//! The parts of a compound value: a vector that is dropped, cloned and compared at any depth of nesting
//! without recursion.

use core::cmp::Ordering;
use core::mem;
use core::ops::Deref;

use alloc::vec::Vec;

use super::{Array, Described, Few, List, Map, Value};

#[derive(Default)]
pub(crate) struct Items(Vec<Value>);

impl Items {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn as_vec_mut(&mut self) -> &mut Vec<Value> {
        &mut self.0
    }

    pub(crate) fn take(&mut self) -> Vec<Value> {
        mem::take(&mut self.0)
    }

    fn is_flat(&self) -> bool {
        !self.0.iter().any(Value::is_compound)
    }
}

impl From<Vec<Value>> for Items {
    fn from(values: Vec<Value>) -> Self {
        Self(values)
    }
}

impl Deref for Items {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0
    }
}

impl Drop for Items {
    #[inline]
    fn drop(&mut self) {
        if !self.is_flat() {
            self.flatten();
        }
    }
}

impl Items {
    /// Drops the items of nested compounds one after the other.
    #[cold]
    fn flatten(&mut self) {
        let mut pending = self.take();
        while let Some(mut value) = pending.pop() {
            if let Some(inner) = value.items_mut() {
                pending.append(&mut inner.0);
            }
        }
    }
}

/// Returns an empty compound of the same type as `value`, or a copy of a scalar.
fn shell(value: &Value) -> Value {
    match value {
        Value::List(_) => List::new().into(),
        Value::Map(_) => Map::new().into(),
        Value::Array(array) => Array::shell(array).into(),
        Value::Described(_) => Described::shell().into(),
        leaf => leaf.clone(),
    }
}

impl Clone for Items {
    fn clone(&self) -> Self {
        let mut copy = self.shells();
        if !self.is_flat() {
            copy.fill_from(self);
        }
        copy
    }
}

impl Items {
    /// Copies the scalars; the copies of compounds are empty.
    fn shells(&self) -> Self {
        Self(self.iter().map(shell).collect())
    }

    /// Copies the items of nested compounds into their shells, one compound after the other.
    #[cold]
    fn fill_from(&mut self, source: &Self) {
        let mut pending = Vec::from([(source, self)]);
        while let Some((source, copy)) = pending.pop() {
            for (source, copy) in source.iter().zip(&mut copy.0) {
                if let (Some(source), Some(copy)) = (source.items(), copy.items_mut()) {
                    *copy = source.shells();
                    pending.push((source, copy));
                }
            }
        }
    }
}

impl PartialEq for Items {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Items {}

impl PartialOrd for Items {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Items {
    /// Compares both sides by flattening them in the same order. That order depends only on the parts found
    /// equal so far, so the result is a total order.
    fn cmp(&self, other: &Self) -> Ordering {
        let mut pending: Few<[(&Self, &Self); 4]> = Default::default();
        pending.push((self, other));
        while let Some((ours, theirs)) = pending.pop() {
            let mut order = ours.len().cmp(&theirs.len());
            for (a, b) in ours.iter().zip(theirs.iter()) {
                order = order.then_with(|| a.order_head(b));
                if order.is_ne() {
                    return order;
                }
                if let (Some(a), Some(b)) = (a.items(), b.items()) {
                    pending.push((a, b));
                }
            }
            if order.is_ne() {
                return order;
            }
        }
        Ordering::Equal
    }
}
