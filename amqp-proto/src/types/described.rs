//! Described values: a descriptor and the value it gives a meaning to [1.1.2].

use core::fmt;

use alloc::vec;

use super::value::NULL;
use super::{Items, Value};

/// A value with a descriptor, usually a symbol or a ulong, that tells what it means [1.2].
///
/// ```
/// use amqp_proto::{symbol, types::{Described, Value}};
///
/// let filter = Described::new(symbol!("apache.org:selector-filter:string"), "colour = 'red'");
/// assert_eq!(filter.value(), &Value::from("colour = 'red'"));
/// assert_eq!(format!("{filter:?}"), r#"@:apache.org:selector-filter:string "colour = 'red'""#);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Described {
    /// The descriptor, then the value.
    pub(crate) items: Items,
}

impl Described {
    /// Describes a value.
    pub fn new(descriptor: impl Into<Value>, value: impl Into<Value>) -> Self {
        Self { items: vec![descriptor.into(), value.into()].into() }
    }

    pub(crate) fn from_items(items: Items) -> Self {
        Self { items }
    }

    pub(crate) const fn shell() -> Self {
        Self { items: Items::new() }
    }

    /// Returns the descriptor, which says what the value means.
    pub fn descriptor(&self) -> &Value {
        self.items.first().unwrap_or(&NULL)
    }

    /// Returns the value.
    pub fn value(&self) -> &Value {
        self.items.get(1).unwrap_or(&NULL)
    }

    /// Descriptor and value, by value.
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
