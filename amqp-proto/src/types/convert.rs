//! Conversions into [`Value`] and comparisons with text, for plain Rust types.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{List, Many, Map, SimpleValue, Str, Symbol, Value};

/// Converts `None` into null.
///
/// ```
/// use amqp_proto::types::Value;
///
/// assert_eq!(Value::from(Some(7)), Value::Int(7));
/// assert_eq!(Value::from(None::<i32>), Value::Null);
/// ```
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

macro_rules! octets {
    ($($type:ident)*) => {$(
        /// Copies the octets into a binary.
        impl From<&[u8]> for $type {
            fn from(octets: &[u8]) -> Self {
                Self::from(Bytes::copy_from_slice(octets))
            }
        }

        /// Copies the octets into a binary.
        impl<const LEN: usize> From<&[u8; LEN]> for $type {
            fn from(octets: &[u8; LEN]) -> Self {
                Self::from(octets.as_slice())
            }
        }

        impl From<&String> for $type {
            fn from(text: &String) -> Self {
                Self::from(text.as_str())
            }
        }

        /// Converts into a timestamp.
        #[cfg(feature = "std")]
        impl From<std::time::SystemTime> for $type {
            fn from(time: std::time::SystemTime) -> Self {
                Self::from(super::Timestamp::from(time))
            }
        }
    )*};
}

octets! { Value SimpleValue }

impl From<Vec<u8>> for SimpleValue {
    fn from(octets: Vec<u8>) -> Self {
        Self::from(Bytes::from(octets))
    }
}

/// Compares the text of a string or a symbol.
///
/// ```
/// use amqp_proto::{symbol, types::Value};
///
/// assert_eq!(Value::from("red"), "red");
/// assert_eq!(Value::from(symbol!("red")), "red");
/// assert_ne!(Value::Null, "red");
/// ```
impl PartialEq<str> for Value {
    fn eq(&self, text: &str) -> bool {
        self.is_text(text)
    }
}

/// Compares the text of a string or a symbol.
impl PartialEq<&str> for Value {
    fn eq(&self, text: &&str) -> bool {
        self.is_text(text)
    }
}

macro_rules! text {
    ($($type:ident)*) => {$(
        impl PartialEq<String> for $type {
            fn eq(&self, text: &String) -> bool {
                *self == **text
            }
        }

        impl PartialEq<$type> for str {
            fn eq(&self, text: &$type) -> bool {
                *text == *self
            }
        }

        impl PartialEq<$type> for &str {
            fn eq(&self, text: &$type) -> bool {
                *text == **self
            }
        }

        impl PartialEq<$type> for String {
            fn eq(&self, text: &$type) -> bool {
                *text == **self
            }
        }

        impl From<$type> for String {
            fn from(text: $type) -> Self {
                text.as_str().into()
            }
        }
    )*};
}

text! { Str Symbol }

/// Lists of literals, such as `["queue", "topic"]`, where capabilities are wanted.
///
/// # Panics
///
/// If a literal is not 7-bit ASCII.
impl<const LEN: usize> From<[&'static str; LEN]> for Many<Symbol> {
    fn from(names: [&'static str; LEN]) -> Self {
        names.into_iter().map(Symbol::from).collect()
    }
}

/// A single literal, such as `"queue"`, where capabilities are wanted.
///
/// # Panics
///
/// If the literal is not 7-bit ASCII.
impl From<&'static str> for Many<Symbol> {
    fn from(name: &'static str) -> Self {
        Self::from(Symbol::from(name))
    }
}

impl<T: Into<Value>, const LEN: usize> From<[T; LEN]> for List {
    fn from(values: [T; LEN]) -> Self {
        values.into_iter().collect()
    }
}

/// Takes the pairs in the order of the keys.
impl<K: Into<Value>, V: Into<Value>> From<BTreeMap<K, V>> for Map {
    fn from(pairs: BTreeMap<K, V>) -> Self {
        pairs.into_iter().collect()
    }
}

/// Takes the pairs in the order of the hash map, which is random.
#[cfg(feature = "std")]
impl<K: Into<Value>, V: Into<Value>, S> From<std::collections::HashMap<K, V, S>> for Map {
    fn from(pairs: std::collections::HashMap<K, V, S>) -> Self {
        pairs.into_iter().collect()
    }
}
