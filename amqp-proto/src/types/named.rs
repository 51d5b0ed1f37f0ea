//! Maps whose keys the standard restricts: fields, annotations, application-properties [2.8.13] [3.2.5]
//! [3.2.10].
//!
//! The types of the arguments ensure that a program puts in only allowed keys. A received map may have string
//! keys in place of symbols, since real peers send them.

use core::fmt;

use super::{
    Decimal32, Decimal64, Decimal128, Kind, Map, MapIntoIter, MapIter, Str, Symbol, Timestamp, Uuid, Value,
};

use alloc::string::String;
use bytes::Bytes;

/// The error of a map that has a key or a value not allowed in maps of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotAllowed {
    /// The kind of map, by the standard's name.
    pub map: &'static str,
    /// The restriction that the map breaks.
    pub rule: &'static str,
}

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.map, self.rule)
    }
}

impl core::error::Error for NotAllowed {}

/// The key of an annotation: a symbol, or one of the reserved ulongs [3.2.10].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnnotationKey {
    /// A name. Names that do not begin with `x-` are reserved.
    Symbol(Symbol),
    /// A number, reserved by the standard.
    Ulong(u64),
}

impl From<Symbol> for AnnotationKey {
    fn from(key: Symbol) -> Self {
        Self::Symbol(key)
    }
}

/// Makes a symbol key of a literal.
///
/// # Panics
///
/// If the literal is not 7-bit ASCII.
impl From<&'static str> for AnnotationKey {
    fn from(key: &'static str) -> Self {
        Self::from(Symbol::from(key))
    }
}

impl From<u64> for AnnotationKey {
    fn from(key: u64) -> Self {
        Self::Ulong(key)
    }
}

impl From<AnnotationKey> for Value {
    fn from(key: AnnotationKey) -> Self {
        match key {
            AnnotationKey::Symbol(key) => Self::Symbol(key),
            AnnotationKey::Ulong(key) => Self::Ulong(key),
        }
    }
}

/// A value, possibly described, that is no list, map or array: the values of application-properties [3.2.5].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SimpleValue(Value);

impl SimpleValue {
    /// Converts into the plain value.
    pub fn into_value(self) -> Value {
        self.0
    }
}

impl TryFrom<Value> for SimpleValue {
    type Error = NotAllowed;

    fn try_from(value: Value) -> Result<Self, NotAllowed> {
        if is_simple(&value) {
            Ok(Self(value))
        } else {
            Err(NotAllowed { map: "application-properties", rule: "may hold simple values only [3.2.5]" })
        }
    }
}

impl fmt::Debug for SimpleValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

macro_rules! simple_from {
    ($($type:ty)*) => {$(
        impl From<$type> for SimpleValue {
            fn from(value: $type) -> Self {
                Self(value.into())
            }
        }
    )*};
}

simple_from! {
    bool u8 u16 u32 u64 i8 i16 i32 i64 f32 f64 char Decimal32 Decimal64 Decimal128 Timestamp Uuid Bytes
    Str &str String Symbol
}

fn is_simple(mut value: &Value) -> bool {
    while let Some(described) = value.as_described() {
        value = described.value();
    }
    !matches!(value.kind(), None | Some(Kind::List | Kind::Map | Kind::Array))
}

macro_rules! named_maps {
    ($($(#[$doc:meta])* $name:ident, $label:literal, $key:ty, $value:ty, $rule:literal, $allows:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Eq)]
        pub struct $name(Map);

        impl $name {
            /// Returns an empty map.
            pub const fn new() -> Self {
                Self(Map::new())
            }

            /// Sets the value of a key and returns the old value.
            ///
            /// A new key is added at the end; a known key keeps its place.
            pub fn insert(&mut self, key: impl Into<$key>, value: impl Into<$value>) -> Option<Value> {
                let (key, value): ($key, $value) = (key.into(), value.into());
                self.0.insert(key, value)
            }

            /// Returns the value whose key has the text `key`.
            pub fn get(&self, key: &str) -> Option<&Value> {
                self.0.get(key)
            }

            /// Removes the pair whose key has the text `key`, and returns its value.
            pub fn remove(&mut self, key: &str) -> Option<Value> {
                self.0.remove(key)
            }

            /// Returns the pairs, in order.
            pub fn iter(&self) -> MapIter<'_> {
                self.0.iter()
            }

            /// Returns the number of pairs.
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// Returns `true` if the map has no pairs. A peer cannot tell an empty map from an absent one.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            /// Returns the pairs as a [`Map`].
            pub fn as_map(&self) -> &Map {
                &self.0
            }

            /// Converts into a [`Map`].
            pub fn into_map(self) -> Map {
                self.0
            }
        }

        impl TryFrom<Map> for $name {
            type Error = NotAllowed;

            fn try_from(map: Map) -> Result<Self, NotAllowed> {
                let allows: fn(&Value, &Value) -> bool = $allows;
                if map.iter().all(|(key, value)| allows(key, value)) {
                    Ok(Self(map))
                } else {
                    Err(NotAllowed { map: $label, rule: $rule })
                }
            }
        }

        impl<K: Into<$key>, V: Into<$value>> FromIterator<(K, V)> for $name {
            fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
                let mut map = Self::new();
                map.extend(pairs);
                map
            }
        }

        impl<K: Into<$key>, V: Into<$value>> Extend<(K, V)> for $name {
            fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
                let restricted = |(key, value): (K, V)| -> ($key, $value) { (key.into(), value.into()) };
                self.0.extend(pairs.into_iter().map(restricted));
            }
        }

        impl<K: Into<$key>, V: Into<$value>, const LEN: usize> From<[(K, V); LEN]> for $name {
            fn from(pairs: [(K, V); LEN]) -> Self {
                pairs.into_iter().collect()
            }
        }

        impl IntoIterator for $name {
            type Item = (Value, Value);
            type IntoIter = MapIntoIter;

            fn into_iter(self) -> MapIntoIter {
                self.0.into_iter()
            }
        }

        impl<'a> IntoIterator for &'a $name {
            type Item = (&'a Value, &'a Value);
            type IntoIter = MapIter<'a>;

            fn into_iter(self) -> MapIter<'a> {
                self.0.iter()
            }
        }

        impl From<$name> for Map {
            fn from(map: $name) -> Self {
                map.0
            }
        }

        impl From<$name> for Value {
            fn from(map: $name) -> Self {
                Self::Map(map.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}

impl ApplicationProperties {
    /// Returns the entries of a received section, including entries that the standard forbids [3.2.5]: one
    /// wrong entry is no reason to hide the others.
    pub(crate) fn received(map: Map) -> Self {
        Self(map)
    }
}

impl From<SimpleValue> for Value {
    fn from(value: SimpleValue) -> Self {
        value.0
    }
}

named_maps! {
    /// Named values: properties of connections, sessions and links, and the info of an error [2.8.13].
    ///
    /// ```
    /// use amqp_proto::types::{Fields, Value};
    ///
    /// let info = Fields::from([("port", 5672u16)]);
    /// assert_eq!(info.get("port"), Some(&Value::Ushort(5672)));
    /// ```
    Fields, "fields", Symbol, Value, "must have symbols as keys [2.8.13]",
        |key, _| matches!(key, Value::Symbol(_) | Value::String(_));

    /// The annotations of a delivery or a message, or a message's footer [3.2.10].
    Annotations, "annotations", AnnotationKey, Value, "must have symbols or ulongs as keys [3.2.10]",
        |key, _| matches!(key, Value::Symbol(_) | Value::Ulong(_) | Value::String(_));

    /// Properties that the application defines: string keys with simple values [3.2.5].
    ///
    /// A received entry that the standard forbids, such as a map, stays readable and does not hide the other
    /// entries.
    ///
    /// ```
    /// use amqp_proto::types::ApplicationProperties;
    ///
    /// let mut properties = ApplicationProperties::new();
    /// properties.insert("tenant", "acme");
    /// properties.insert("attempt", 3);
    /// let shown = format!("{properties:?}");
    /// assert_eq!(shown, r#"{"tenant" = "acme", "attempt" = int 3}"#);
    /// ```
    ApplicationProperties, "application-properties", Str, SimpleValue,
        "must have strings as keys and simple values [3.2.5]",
        |key, value| matches!(key, Value::String(_)) && is_simple(value);
}
