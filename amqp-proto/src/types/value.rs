//! [`Value`]: any AMQP value [1.1].

use core::cmp::Ordering;
use core::fmt;

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

use super::{
    Array, Decimal32, Decimal64, Decimal128, Described, Items, List, Map, Step, Str, Symbol, Timestamp, Uuid,
    Walk,
};

/// A primitive type of the standard, without a value [1.6].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are the standard's and say all there is
pub enum Kind {
    Null,
    Boolean,
    Ubyte,
    Ushort,
    Uint,
    Ulong,
    Byte,
    Short,
    Int,
    Long,
    Float,
    Double,
    Decimal32,
    Decimal64,
    Decimal128,
    Char,
    Timestamp,
    Uuid,
    Binary,
    String,
    Symbol,
    List,
    Map,
    Array,
}

impl Kind {
    /// All kinds, in the order of the standard.
    pub const ALL: [Self; 24] = [
        Self::Null,
        Self::Boolean,
        Self::Ubyte,
        Self::Ushort,
        Self::Uint,
        Self::Ulong,
        Self::Byte,
        Self::Short,
        Self::Int,
        Self::Long,
        Self::Float,
        Self::Double,
        Self::Decimal32,
        Self::Decimal64,
        Self::Decimal128,
        Self::Char,
        Self::Timestamp,
        Self::Uuid,
        Self::Binary,
        Self::String,
        Self::Symbol,
        Self::List,
        Self::Map,
        Self::Array,
    ];

    /// Returns the standard's name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Ubyte => "ubyte",
            Self::Ushort => "ushort",
            Self::Uint => "uint",
            Self::Ulong => "ulong",
            Self::Byte => "byte",
            Self::Short => "short",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Decimal32 => "decimal32",
            Self::Decimal64 => "decimal64",
            Self::Decimal128 => "decimal128",
            Self::Char => "char",
            Self::Timestamp => "timestamp",
            Self::Uuid => "uuid",
            Self::Binary => "binary",
            Self::String => "string",
            Self::Symbol => "symbol",
            Self::List => "list",
            Self::Map => "map",
            Self::Array => "array",
        }
    }
}

/// Any AMQP value, primitive or described.
///
/// Text and octets share the buffer that they were decoded from. Two values are equal when their types and
/// their values are equal. Floats compare by their bits, so a NaN equals itself and `-0.0` differs from
/// `0.0`. `uint 1` differs from `ulong 1`. Maps compare in order [1.6.23]. The order of `Ord` is total but
/// arbitrary.
///
/// Values may nest to any depth: dropping, cloning, comparing, printing and encoding a nested value takes no
/// more stack than a flat one. [`Limits`](super::Limits) bound the depth of decoded values.
///
/// ```
/// use amqp_proto::types::{List, Value};
///
/// let value = Value::from(List::from_iter(["red", "blue"]));
/// assert_eq!(value.to_string(), r#"["red", "blue"]"#);
/// let second = value.as_list().and_then(|items| items[1].as_str());
/// assert_eq!(second, Some("blue"));
/// ```
#[derive(Clone, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// True or false.
    Boolean(bool),
    /// 8 bits, unsigned.
    Ubyte(u8),
    /// 16 bits, unsigned.
    Ushort(u16),
    /// 32 bits, unsigned.
    Uint(u32),
    /// 64 bits, unsigned.
    Ulong(u64),
    /// 8 bits, signed.
    Byte(i8),
    /// 16 bits, signed.
    Short(i16),
    /// 32 bits, signed.
    Int(i32),
    /// 64 bits, signed.
    Long(i64),
    /// IEEE 754 binary32.
    Float(f32),
    /// IEEE 754 binary64.
    Double(f64),
    /// IEEE 754 decimal32; its octets are kept as received.
    Decimal32(Decimal32),
    /// IEEE 754 decimal64; its octets are kept as received.
    Decimal64(Decimal64),
    /// IEEE 754 decimal128; its octets are kept as received.
    Decimal128(Decimal128),
    /// One Unicode scalar value.
    Char(char),
    /// A point in time.
    Timestamp(Timestamp),
    /// A universally unique id.
    Uuid(Uuid),
    /// Octets.
    Binary(Bytes),
    /// Unicode text.
    String(Str),
    /// A name from a constrained domain.
    Symbol(Symbol),
    /// Values in sequence.
    List(List),
    /// Pairs of distinct keys and values, in order.
    Map(Map),
    /// Values of one type in sequence.
    Array(Array),
    /// A value with a descriptor that says what the value means.
    Described(Described),
}

/// The null that is returned by reference where a value is missing.
pub(crate) static NULL: Value = Value::Null;

impl Value {
    /// Returns the primitive type, or `None` for a described value.
    pub fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Null => Kind::Null,
            Self::Boolean(_) => Kind::Boolean,
            Self::Ubyte(_) => Kind::Ubyte,
            Self::Ushort(_) => Kind::Ushort,
            Self::Uint(_) => Kind::Uint,
            Self::Ulong(_) => Kind::Ulong,
            Self::Byte(_) => Kind::Byte,
            Self::Short(_) => Kind::Short,
            Self::Int(_) => Kind::Int,
            Self::Long(_) => Kind::Long,
            Self::Float(_) => Kind::Float,
            Self::Double(_) => Kind::Double,
            Self::Decimal32(_) => Kind::Decimal32,
            Self::Decimal64(_) => Kind::Decimal64,
            Self::Decimal128(_) => Kind::Decimal128,
            Self::Char(_) => Kind::Char,
            Self::Timestamp(_) => Kind::Timestamp,
            Self::Uuid(_) => Kind::Uuid,
            Self::Binary(_) => Kind::Binary,
            Self::String(_) => Kind::String,
            Self::Symbol(_) => Kind::Symbol,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
            Self::Array(_) => Kind::Array,
            Self::Described(_) => return None,
        })
    }

    /// Returns `true` for `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Returns the boolean, if the value is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the number, if the value is an integer of any width and sign that fits into a `u64`.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Ubyte(n) => Some(u64::from(*n)),
            Self::Ushort(n) => Some(u64::from(*n)),
            Self::Uint(n) => Some(u64::from(*n)),
            Self::Ulong(n) => Some(*n),
            _ => self.as_signed().and_then(|n| u64::try_from(n).ok()),
        }
    }

    /// Returns the number, if the value is an integer of any width and sign that fits into an `i64`.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_signed().or_else(|| self.as_u64().and_then(|n| i64::try_from(n).ok()))
    }

    fn as_signed(&self) -> Option<i64> {
        match self {
            Self::Byte(n) => Some(i64::from(*n)),
            Self::Short(n) => Some(i64::from(*n)),
            Self::Int(n) => Some(i64::from(*n)),
            Self::Long(n) => Some(*n),
            _ => None,
        }
    }

    /// Returns the text, if the value is a string or a symbol.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text.as_str()),
            Self::Symbol(name) => Some(name.as_str()),
            _ => None,
        }
    }

    /// Returns the octets, if the value is a binary.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Binary(octets) => Some(octets),
            _ => None,
        }
    }

    /// Returns the list, if the value is one.
    pub fn as_list(&self) -> Option<&List> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// Returns the map, if the value is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Returns the array, if the value is one.
    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// Returns the described value, if the value is one.
    pub fn as_described(&self) -> Option<&Described> {
        match self {
            Self::Described(described) => Some(described),
            _ => None,
        }
    }

    /// Returns `true` if the value is a string or symbol with exactly this text.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        match self {
            Self::String(own) => *own == *text,
            Self::Symbol(own) => *own == *text,
            _ => false,
        }
    }

    /// Returns the values inside, if the value is a compound.
    /// Returns `true` if the value has [`items`](Self::items).
    #[inline]
    pub(crate) fn is_compound(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_) | Self::Array(_) | Self::Described(_))
    }

    pub(crate) fn items(&self) -> Option<&Items> {
        match self {
            Self::List(list) => Some(&list.items),
            Self::Map(map) => Some(&map.items),
            Self::Array(array) => Some(&array.items),
            Self::Described(described) => Some(&described.items),
            _ => None,
        }
    }

    pub(crate) fn items_mut(&mut self) -> Option<&mut Items> {
        match self {
            Self::List(list) => Some(&mut list.items),
            Self::Map(map) => Some(&mut map.items),
            Self::Array(array) => Some(&mut array.items),
            Self::Described(described) => Some(&mut described.items),
            _ => None,
        }
    }

    /// Compares the types and the scalar values; of compounds, everything except the items.
    pub(crate) fn order_head(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::Ubyte(a), Self::Ubyte(b)) => a.cmp(b),
            (Self::Ushort(a), Self::Ushort(b)) => a.cmp(b),
            (Self::Uint(a), Self::Uint(b)) => a.cmp(b),
            (Self::Ulong(a), Self::Ulong(b)) => a.cmp(b),
            (Self::Byte(a), Self::Byte(b)) => a.cmp(b),
            (Self::Short(a), Self::Short(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Long(a), Self::Long(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Double(a), Self::Double(b)) => a.total_cmp(b),
            (Self::Decimal32(a), Self::Decimal32(b)) => a.cmp(b),
            (Self::Decimal64(a), Self::Decimal64(b)) => a.cmp(b),
            (Self::Decimal128(a), Self::Decimal128(b)) => a.cmp(b),
            (Self::Char(a), Self::Char(b)) => a.cmp(b),
            (Self::Timestamp(a), Self::Timestamp(b)) => a.cmp(b),
            (Self::Uuid(a), Self::Uuid(b)) => a.cmp(b),
            (Self::Binary(a), Self::Binary(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (Self::Symbol(a), Self::Symbol(b)) => a.cmp(b),
            (Self::Array(a), Self::Array(b)) => {
                (a.kind(), a.descriptors().len()).cmp(&(b.kind(), b.descriptors().len()))
            }
            _ => self.kind().cmp(&other.kind()),
        }
    }
}

impl PartialEq for Value {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            // Text, the usual key of a map, differs in length mostly.
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Symbol(a), Self::Symbol(b)) => a == b,
            _ => self.cmp(other).is_eq(),
        }
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order_head(other).then_with(|| match (self.items(), other.items()) {
            (Some(a), Some(b)) => a.cmp(b),
            _ => Ordering::Equal,
        })
    }
}

/// Prints the value in a compact and complete form: `{:priority = ubyte 4, "colour" = "red"}`,
/// `@:com.example:point [int 1, int 2]`.
///
/// Control characters are escaped, so text from a peer is safe in a log.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut walk = Walk::new(self);
        while let Some((step, place)) = walk.step() {
            match step {
                Step::Leaf(value) => {
                    f.write_str(place.separator())?;
                    value.fmt_leaf(f)?;
                }
                Step::Enter(value) => {
                    f.write_str(place.separator())?;
                    value.fmt_opening(f)?;
                }
                Step::Leave(value) => f.write_str(value.closing())?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Value {
    fn fmt_leaf(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Ubyte(n) => write!(f, "ubyte {n}"),
            Self::Ushort(n) => write!(f, "ushort {n}"),
            Self::Uint(n) => write!(f, "uint {n}"),
            Self::Ulong(n) => write!(f, "ulong {n}"),
            Self::Byte(n) => write!(f, "byte {n}"),
            Self::Short(n) => write!(f, "short {n}"),
            Self::Int(n) => write!(f, "int {n}"),
            Self::Long(n) => write!(f, "long {n}"),
            Self::Float(n) => write!(f, "float {n:?}"),
            Self::Double(n) => write!(f, "double {n:?}"),
            Self::Decimal32(n) => fmt::Debug::fmt(n, f),
            Self::Decimal64(n) => fmt::Debug::fmt(n, f),
            Self::Decimal128(n) => fmt::Debug::fmt(n, f),
            Self::Char(c) => write!(f, "char {c:?}"),
            Self::Timestamp(time) => fmt::Debug::fmt(time, f),
            Self::Uuid(id) => fmt::Debug::fmt(id, f),
            Self::Binary(octets) => {
                f.write_str("0x")?;
                octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
            Self::String(text) => fmt::Debug::fmt(text, f),
            Self::Symbol(name) => fmt::Debug::fmt(name, f),
            Self::List(_) | Self::Map(_) | Self::Array(_) | Self::Described(_) => Ok(()),
        }
    }

    fn fmt_opening(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map(_) => f.write_str("{"),
            Self::Array(array) => write!(f, "array<{}>[", array.kind().name()),
            Self::Described(_) => f.write_str("@"),
            _ => f.write_str("["),
        }
    }

    fn closing(&self) -> &'static str {
        match self {
            Self::Map(_) => "}",
            Self::Described(_) => "",
            _ => "]",
        }
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident;)*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

from! {
    bool => Boolean;
    u8 => Ubyte;
    u16 => Ushort;
    u32 => Uint;
    u64 => Ulong;
    i8 => Byte;
    i16 => Short;
    i32 => Int;
    i64 => Long;
    f32 => Float;
    f64 => Double;
    Decimal32 => Decimal32;
    Decimal64 => Decimal64;
    Decimal128 => Decimal128;
    char => Char;
    Timestamp => Timestamp;
    Uuid => Uuid;
    Bytes => Binary;
    Vec<u8> => Binary;
    Str => String;
    &str => String;
    String => String;
    Symbol => Symbol;
    List => List;
    Map => Map;
    Array => Array;
    Described => Described;
}
