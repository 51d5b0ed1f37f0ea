//! Described values: a value and the descriptor that gives the value its meaning [1.1.2].

use core::fmt;

use alloc::vec;

use super::value::NULL;
use super::{Items, Value};

/// A value with a descriptor [1.2].
///
/// The descriptor, usually a symbol or a ulong, says what the value means.
///
/// ```
/// use amqp_proto::{symbol, types::{Described, Value}};
///
/// let name = symbol!("apache.org:selector-filter:string");
/// let filter = Described::new(name, "colour = 'red'");
/// assert_eq!(filter.value(), &Value::from("colour = 'red'"));
/// assert_eq!(
///     filter.descriptor().as_str(),
///     Some("apache.org:selector-filter:string")
/// );
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Described {
    /// The descriptor, then the value.
    pub(crate) items: Items,
}

impl Described {
    /// Returns `value` with a descriptor.
    pub fn new(descriptor: impl Into<Value>, value: impl Into<Value>) -> Self {
        Self { items: vec![descriptor.into(), value.into()].into() }
    }

    pub(crate) fn from_items(items: Items) -> Self {
        Self { items }
    }

    pub(crate) const fn shell() -> Self {
        Self { items: Items::new() }
    }

    /// Returns the descriptor.
    pub fn descriptor(&self) -> &Value {
        self.items.first().unwrap_or(&NULL)
    }

    /// Returns the value without its descriptor.
    pub fn value(&self) -> &Value {
        self.items.get(1).unwrap_or(&NULL)
    }

    /// Converts into the descriptor and the value.
    pub fn into_parts(mut self) -> (Value, Value) {
        let mut parts = self.items.take().into_iter();
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    }
}

impl fmt::Debug for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{:?} {:?}", self.descriptor(), self.value())
    }
}
