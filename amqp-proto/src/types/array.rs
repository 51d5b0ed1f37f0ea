//! The AMQP `array`: values of one type in sequence [1.6.24].

use core::fmt;

use alloc::vec::Vec;

use super::{Items, Kind, Value};

/// Values of one type in sequence [1.2.4].
///
/// The element type and the optional descriptor are written once for the whole array, so an empty array has a
/// type, too.
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

/// The error of adding a value whose type is not the array's element type.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrongKind {
    /// The element type of the array.
    pub wanted: Kind,
    /// The type of the refused value. `None` if the value is described: an array has its descriptor in common
    /// for all elements.
    pub got: Option<Kind>,
}

impl Array {
    /// Returns an empty array with elements of type `kind`.
    pub const fn new(kind: Kind) -> Self {
        Self { kind, descriptors: 0, items: Items::new() }
    }

    /// Returns an empty array whose elements all have the given descriptors, outermost first.
    pub fn described(descriptors: impl IntoIterator<Item = Value>, kind: Kind) -> Self {
        let items: Vec<Value> = descriptors.into_iter().collect();
        Self { kind, descriptors: items.len(), items: items.into() }
    }

    /// Returns an array of the given values.
    ///
    /// # Errors
    ///
    /// [`WrongKind`] if a value is not of type `kind`.
    pub fn from_values(kind: Kind, values: impl IntoIterator<Item = Value>) -> Result<Self, WrongKind> {
        let mut array = Self::new(kind);
        values.into_iter().try_for_each(|value| array.push(value))?;
        Ok(array)
    }

    pub(crate) fn from_items(kind: Kind, descriptors: usize, items: Items) -> Self {
        Self { kind, descriptors, items }
    }

    /// Returns an empty array with the element type of `array` and a place for its descriptors.
    pub(crate) fn shell(array: &Self) -> Self {
        Self { kind: array.kind, descriptors: array.descriptors, items: Items::new() }
    }

    /// Adds an element at the end.
    ///
    /// # Errors
    ///
    /// [`WrongKind`] if the value is not of the array's element type. The array stays as it was.
    pub fn push(&mut self, value: impl Into<Value>) -> Result<(), WrongKind> {
        let value = value.into();
        if value.kind() != Some(self.kind) {
            return Err(WrongKind { wanted: self.kind, got: value.kind() });
        }
        self.items.as_vec_mut().push(value);
        Ok(())
    }

    /// Returns the element type.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the descriptors that all elements have in common, outermost first; usually none.
    pub fn descriptors(&self) -> &[Value] {
        self.items.get(..self.descriptors).unwrap_or_default()
    }

    /// Returns the elements, without their common descriptors.
    pub fn elements(&self) -> &[Value] {
        self.items.get(self.descriptors..).unwrap_or_default()
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.elements().len()
    }

    /// Returns `true` if the array has no elements.
    pub fn is_empty(&self) -> bool {
        self.elements().is_empty()
    }

    /// Converts the array into its elements, without their common descriptors.
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
        write!(f, "a {got} cannot be an element of an array of {} [1.6.24]", self.wanted.name())
    }
}

impl core::error::Error for WrongKind {}
