//! The AMQP `array`: values of one type in sequence [1.6.24].

use core::fmt;

use alloc::vec::Vec;

use super::{Items, Kind, Value};

/// Values of one type in sequence. The type, and a descriptor if there is one, stands once for all of them
/// [1.2.4], so even an empty array has it [1.2.4].
///
/// ```
/// use amqp_proto::types::{Array, Kind, Value};
///
/// let mut array = Array::new(Kind::Uint);
/// array.push(1u32).unwrap();
/// assert!(array.push("two").is_err());
/// assert_eq!(array.elements(), [Value::Uint(1)]);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Array {
    kind: Kind,
    descriptors: usize,
    /// The descriptors, outermost first, then the elements.
    pub(crate) items: Items,
}

/// A value of another type than the array's elements have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongKind {
    /// The type of the array's elements.
    pub wanted: Kind,
    /// The type of the value, `None` if it is described: in an array a descriptor belongs to all elements.
    pub got: Option<Kind>,
}

impl Array {
    /// Returns an empty array whose elements are of this type.
    pub const fn new(kind: Kind) -> Self {
        Self { kind, descriptors: 0, items: Items::new() }
    }

    /// Returns an empty array whose elements are described, each by the same descriptors, outermost first.
    pub fn described(descriptors: impl IntoIterator<Item = Value>, kind: Kind) -> Self {
        let items: Vec<Value> = descriptors.into_iter().collect();
        Self { kind, descriptors: items.len(), items: items.into() }
    }

    /// Returns an array of these values, all of the type given.
    pub fn from_values(kind: Kind, values: impl IntoIterator<Item = Value>) -> Result<Self, WrongKind> {
        let mut array = Self::new(kind);
        values.into_iter().try_for_each(|value| array.push(value))?;
        Ok(array)
    }

    pub(crate) fn from_items(kind: Kind, descriptors: usize, items: Items) -> Self {
        Self { kind, descriptors, items }
    }

    /// The same array with nothing in it, not even descriptors.
    pub(crate) fn shell(array: &Self) -> Self {
        Self { kind: array.kind, descriptors: array.descriptors, items: Items::new() }
    }

    /// Adds an element at the end.
    pub fn push(&mut self, value: impl Into<Value>) -> Result<(), WrongKind> {
        let value = value.into();
        if value.kind() != Some(self.kind) {
            return Err(WrongKind { wanted: self.kind, got: value.kind() });
        }
        self.items.as_vec_mut().push(value);
        Ok(())
    }

    /// Returns the type of every element.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the descriptors of every element, outermost first; usually none.
    pub fn descriptors(&self) -> &[Value] {
        self.items.get(..self.descriptors).unwrap_or_default()
    }

    /// Returns the elements, without their common descriptors.
    pub fn elements(&self) -> &[Value] {
        self.items.get(self.descriptors..).unwrap_or_default()
    }

    /// Returns how many elements there are.
    pub fn len(&self) -> usize {
        self.elements().len()
    }

    /// True if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.elements().is_empty()
    }

    /// Returns the elements, by value, without their common descriptors.
    pub fn into_elements(mut self) -> Vec<Value> {
        let mut items = self.items.take();
        items.drain(..self.descriptors.min(items.len()));
        items
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "array<{}>", self.kind.name())?;
        self.descriptors().iter().try_for_each(|descriptor| write!(f, "@{descriptor:?}"))?;
        f.debug_list().entries(self.elements()).finish()
    }
}

impl fmt::Display for WrongKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let got = self.got.map_or("described value", Kind::name);
        write!(f, "a {got} in an array of {} [1.6.24]", self.wanted.name())
    }
}

impl core::error::Error for WrongKind {}
