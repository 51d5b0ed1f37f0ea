//! A walk over a value and its parts, without recursion.

use core::slice;

use super::{Few, Value};

/// One step of a [`Walk`], parents before children.
pub(crate) enum Step<'a> {
    /// A value without parts.
    Leaf(&'a Value),
    /// A compound; its items follow.
    Enter(&'a Value),
    /// The end of a compound's items.
    Leave(&'a Value),
}

/// The place of a step in its parent, for printing and encoding.
#[derive(Clone, Copy)]
pub(crate) struct Position<'a> {
    /// The compound around the value; `None` for the root.
    pub(crate) parent: Option<&'a Value>,
    /// The number of siblings before the value.
    pub(crate) index: usize,
}

impl Position<'_> {
    /// Returns the text that a printer writes before the value.
    pub(crate) fn separator(&self) -> &'static str {
        match self.parent {
            None => "",
            Some(Value::Map(_)) if self.index % 2 == 1 => " = ",
            Some(Value::Described(_)) if self.index == 1 => " ",
            Some(Value::Array(array)) if self.index < array.descriptors().len() => {
                if self.index == 0 {
                    "@"
                } else {
                    " @"
                }
            }
            Some(Value::Array(array)) if self.index == array.descriptors().len() && self.index > 0 => ": ",
            Some(_) if self.index == 0 => "",
            Some(_) => ", ",
        }
    }
}

struct Level<'a> {
    parent: &'a Value,
    rest: slice::Iter<'a, Value>,
    index: usize,
}

/// An iterator over a value's [`Step`]s.
pub(crate) struct Walk<'a> {
    root: Option<&'a Value>,
    levels: Few<[Level<'a>; 4]>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(root: &'a Value) -> Self {
        Self { root: Some(root), levels: Default::default() }
    }

    /// Returns the next step and its place.
    pub(crate) fn step(&mut self) -> Option<(Step<'a>, Position<'a>)> {
        if let Some(root) = self.root.take() {
            return Some(self.visit(root, Position { parent: None, index: 0 }));
        }
        let level = self.levels.last_mut()?;
        let place = Position { parent: Some(level.parent), index: level.index };
        match level.rest.next() {
            Some(value) => {
                level.index += 1;
                Some(self.visit(value, place))
            }
            None => {
                let left = self.levels.pop()?.parent;
                Some((Step::Leave(left), place))
            }
        }
    }

    fn visit(&mut self, value: &'a Value, place: Position<'a>) -> (Step<'a>, Position<'a>) {
        match value.items() {
            None => (Step::Leaf(value), place),
            Some(items) => {
                self.levels.push(Level { parent: value, rest: items.iter(), index: 0 });
                (Step::Enter(value), place)
            }
        }
    }
}
