//! Values as data of serde, behind the feature `serde`.
//!
//! | AMQP type | data of serde |
//! | --- | --- |
//! | null | unit |
//! | boolean, integers, floats, char | the type of the same width |
//! | timestamp | `i64`: milliseconds since 1970 |
//! | uuid | text, or 16 octets in a format that is not for people |
//! | decimals | octets, as on the wire |
//! | binary | octets |
//! | string, symbol | text |
//! | list, array | a sequence |
//! | map | a map |
//! | described | a struct with the fields `descriptor` and `value` |
//!
//! A format has fewer types than AMQP, so a value that is read again may have another one: JSON has no octets, and its
//! whole numbers become `ulong`, or `long` below zero.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use serde_core::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_core::ser::{
    self, Serialize, SerializeMap as _, SerializeSeq as _, SerializeStruct as _, Serializer,
};

use super::{List, Map, Str, Symbol, Timestamp, Uuid, Value};

/// The greatest depth of a value that is written or read, since serde needs stack for each level.
const DEEPEST: u32 = 128;

/// A value, and the number of levels that it may have.
struct Level<T>(T, u32);

impl<T> Level<T> {
    /// Wraps a value one level down.
    fn down<U>(&self, value: U) -> Level<U> {
        Level(value, self.1.saturating_sub(1))
    }
}

impl Serialize for Level<&Value> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.1 == 0 {
            return Err(ser::Error::custom(TOO_DEEP));
        }
        match self.0 {
            Value::Null => to.serialize_unit(),
            Value::Boolean(value) => to.serialize_bool(*value),
            Value::Ubyte(value) => to.serialize_u8(*value),
            Value::Ushort(value) => to.serialize_u16(*value),
            Value::Uint(value) => to.serialize_u32(*value),
            Value::Ulong(value) => to.serialize_u64(*value),
            Value::Byte(value) => to.serialize_i8(*value),
            Value::Short(value) => to.serialize_i16(*value),
            Value::Int(value) => to.serialize_i32(*value),
            Value::Long(value) => to.serialize_i64(*value),
            Value::Float(value) => to.serialize_f32(*value),
            Value::Double(value) => to.serialize_f64(*value),
            Value::Decimal32(value) => to.serialize_bytes(&value.to_be_bytes()),
            Value::Decimal64(value) => to.serialize_bytes(&value.to_be_bytes()),
            Value::Decimal128(value) => to.serialize_bytes(&value.to_be_bytes()),
            Value::Char(value) => to.serialize_char(*value),
            Value::Timestamp(value) => value.serialize(to),
            Value::Uuid(value) => value.serialize(to),
            Value::Binary(value) => to.serialize_bytes(value),
            Value::String(value) => value.serialize(to),
            Value::Symbol(value) => value.serialize(to),
            Value::List(list) => self.down(&**list).serialize(to),
            Value::Array(array) => self.down(array.elements()).serialize(to),
            Value::Map(map) => self.down(map).serialize(to),
            Value::Described(described) => {
                let mut fields = to.serialize_struct("Described", 2)?;
                fields.serialize_field("descriptor", &self.down(described.descriptor()))?;
                fields.serialize_field("value", &self.down(described.value()))?;
                fields.end()
            }
        }
    }
}

impl Serialize for Level<&[Value]> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut items = to.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            items.serialize_element(&Level(item, self.1))?;
        }
        items.end()
    }
}

impl Serialize for Level<&Map> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut pairs = to.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0.iter() {
            pairs.serialize_entry(&Level(key, self.1), &Level(value, self.1))?;
        }
        pairs.end()
    }
}

/// Fails for a value of more than 128 levels.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Level(self, DEEPEST).serialize(to)
    }
}

/// Fails for a list of more than 128 levels.
impl Serialize for List {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Level(&**self, DEEPEST - 1).serialize(to)
    }
}

/// Fails for a map of more than 128 levels.
impl Serialize for Map {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Level(self, DEEPEST - 1).serialize(to)
    }
}

impl Serialize for Str {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl Serialize for Symbol {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

/// Writes the milliseconds since 1970.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(self.as_millis())
    }
}

/// Writes text, or 16 octets in a format that is not for people.
impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { to.collect_str(self) } else { to.serialize_bytes(self.as_bytes()) }
    }
}

const TOO_DEEP: &str = "the value has more than 128 levels";

/// Reads any value, of as many levels.
struct Reader(u32);

impl Reader {
    fn down<E: de::Error>(&self) -> Result<Self, E> {
        if self.0 > 1 { Ok(Self(self.0 - 1)) } else { Err(E::custom(TOO_DEEP)) }
    }
}

impl<'de> DeserializeSeed<'de> for &Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(Reader(self.0))
    }
}

macro_rules! visits {
    ($($visit:ident($type:ty) => $kind:ident;)*) => {$(
        fn $visit<E>(self, value: $type) -> Result<Value, E> {
            Ok(Value::$kind(value.into()))
        }
    )*};
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an AMQP value")
    }

    visits! {
        visit_bool(bool) => Boolean;
        visit_u8(u8) => Ubyte;
        visit_u16(u16) => Ushort;
        visit_u32(u32) => Uint;
        visit_u64(u64) => Ulong;
        visit_i8(i8) => Byte;
        visit_i16(i16) => Short;
        visit_i32(i32) => Int;
        visit_i64(i64) => Long;
        visit_f32(f32) => Float;
        visit_f64(f64) => Double;
        visit_char(char) => Char;
        visit_str(&str) => String;
        visit_string(String) => String;
        visit_byte_buf(Vec<u8>) => Binary;
    }

    fn visit_bytes<E>(self, octets: &[u8]) -> Result<Value, E> {
        Ok(Value::Binary(Bytes::copy_from_slice(octets)))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self.down()?)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self.down()?)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let (level, mut list) = (self.down()?, List::default());
        while let Some(item) = items.next_element_seed(&level)? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let (level, mut pairs) = (self.down()?, Vec::new());
        while let Some(pair) = entries.next_entry_seed(&level, &level)? {
            pairs.push(pair);
        }
        let count = pairs.len();
        let map = Map::from_iter(pairs);
        if map.len() == count { Ok(Value::Map(map)) } else { Err(de::Error::custom("a key occurs twice")) }
    }
}

/// Reads the type that is nearest to what the format has. Fails for a value of more than 128 levels, and for a map in
/// which a key occurs twice.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader(DEEPEST))
    }
}

/// Reads like a [`Value`], and fails for another type than a sequence.
impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.deserialize_seq(Reader(DEEPEST))? {
            Value::List(list) => Ok(list),
            other => Err(wrong(&other, "a list")),
        }
    }
}

/// Reads like a [`Value`], and fails for another type than a map.
impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.deserialize_map(Reader(DEEPEST))? {
            Value::Map(map) => Ok(map),
            other => Err(wrong(&other, "a map")),
        }
    }
}

impl<'de> Deserialize<'de> for Str {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self::from)
    }
}

/// Fails for text that is not ASCII.
impl<'de> Deserialize<'de> for Symbol {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::try_from(String::deserialize(from)?).map_err(de::Error::custom)
    }
}

/// Reads the milliseconds since 1970.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        i64::deserialize(from).map(Self::from_millis)
    }
}

/// Reads text, or 16 octets in a format that is not for people.
impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            return String::deserialize(from)?.parse().map_err(de::Error::custom);
        }
        let value = from.deserialize_bytes(Reader(1))?;
        match &value {
            Value::Binary(octets) => match <[u8; 16]>::try_from(&**octets) {
                Ok(octets) => Ok(Self::from_bytes(octets)),
                Err(_) => Err(de::Error::invalid_length(octets.len(), &"16 octets")),
            },
            _ => Err(wrong(&value, "16 octets")),
        }
    }
}

/// Returns the error of a value of the wrong type.
fn wrong<E: de::Error>(found: &Value, expected: &'static str) -> E {
    let found = found.kind().map_or("described", super::Kind::name);
    E::invalid_type(de::Unexpected::Other(found), &expected)
}
