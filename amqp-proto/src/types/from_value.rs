//! [`FromValue`]: Rust types that are read from a [`Value`].

use core::fmt;

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{
    Array, Decimal32, Decimal64, Decimal128, Described, Kind, List, Map, Str, Symbol, Timestamp, Uuid, Value,
};

/// A Rust type that is read from a [`Value`] of its AMQP type.
///
/// No type is converted: a `u32` is read from a uint and not from a ulong. `Option` also reads null.
///
/// ```
/// use amqp_proto::types::{FromValue, Value};
///
/// assert_eq!(u32::from_value(&Value::Uint(7)), Ok(7));
/// assert_eq!(Option::<u32>::from_value(&Value::Null), Ok(None));
/// let error = u32::from_value(&Value::Ulong(7)).unwrap_err();
/// assert_eq!(error.to_string(), "expected uint, found ulong");
/// ```
pub trait FromValue: Sized {
    /// Reads a value.
    ///
    /// # Errors
    ///
    /// [`WrongValue`] for a value of another type.
    fn from_value(value: &Value) -> Result<Self, WrongValue>;
}

/// The error of a value that has another type than expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongValue {
    /// The names of the fields that lead to the value, the outermost last.
    path: Vec<&'static str>,
    expected: &'static str,
    found: &'static str,
}

impl WrongValue {
    /// Returns the error of this value, where `expected` names the expected type.
    pub fn new(expected: &'static str, found: &Value) -> Self {
        Self::because(expected, found.kind().map_or("a described value", Kind::name))
    }

    pub(super) fn because(expected: &'static str, found: &'static str) -> Self {
        Self { path: Vec::new(), expected, found }
    }

    /// Returns the error, in this field of a composite.
    pub(super) fn inside(mut self, field: &'static str) -> Self {
        self.path.push(field);
        self
    }
}

impl fmt::Display for WrongValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, field) in self.path.iter().rev().enumerate() {
            write!(f, "{}{field}", if place == 0 { "" } else { "." })?;
        }
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(f, "{colon}expected {}, found {}", self.expected, self.found)
    }
}

impl core::error::Error for WrongValue {}

macro_rules! reads {
    ($($type:ty = $kind:ident;)*) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value) -> Result<Self, WrongValue> {
                match value {
                    Value::$kind(value) => Ok(value.clone().into()),
                    other => Err(WrongValue::new(Kind::$kind.name(), other)),
                }
            }
        }
    )*};
}

reads! {
    bool = Boolean;
    u8 = Ubyte;
    u16 = Ushort;
    u32 = Uint;
    u64 = Ulong;
    i8 = Byte;
    i16 = Short;
    i32 = Int;
    i64 = Long;
    f32 = Float;
    f64 = Double;
    Decimal32 = Decimal32;
    Decimal64 = Decimal64;
    Decimal128 = Decimal128;
    char = Char;
    Timestamp = Timestamp;
    Uuid = Uuid;
    Bytes = Binary;
    Vec<u8> = Binary;
    Str = String;
    String = String;
    Symbol = Symbol;
    List = List;
    Map = Map;
    Array = Array;
}

impl FromValue for Value {
    fn from_value(value: &Value) -> Result<Self, WrongValue> {
        Ok(value.clone())
    }
}

impl FromValue for Described {
    fn from_value(value: &Value) -> Result<Self, WrongValue> {
        value.as_described().cloned().ok_or_else(|| WrongValue::new("a described value", value))
    }
}

/// Reads null as `None`.
impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Result<Self, WrongValue> {
        if value.is_null() { Ok(None) } else { T::from_value(value).map(Some) }
    }
}
