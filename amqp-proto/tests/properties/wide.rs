//! The widest form of every value, by an encoder that shares nothing with the crate's.

use amqp_proto::types::{Kind, Value};

/// Returns constructor and octets.
pub(crate) fn wide(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        Value::Described(described) => {
            out.push(0x00);
            out.extend(wide(described.descriptor()));
            out.extend(wide(described.value()));
        }
        other => {
            out.push(wide_code(other.kind().unwrap()));
            out.extend(wide_body(other));
        }
    }
    out
}

fn wide_code(kind: Kind) -> u8 {
    match kind {
        Kind::Null => 0x40,
        Kind::Boolean => 0x56,
        Kind::Ubyte => 0x50,
        Kind::Ushort => 0x60,
        Kind::Uint => 0x70,
        Kind::Ulong => 0x80,
        Kind::Byte => 0x51,
        Kind::Short => 0x61,
        Kind::Int => 0x71,
        Kind::Long => 0x81,
        Kind::Float => 0x72,
        Kind::Double => 0x82,
        Kind::Decimal32 => 0x74,
        Kind::Decimal64 => 0x84,
        Kind::Decimal128 => 0x94,
        Kind::Char => 0x73,
        Kind::Timestamp => 0x83,
        Kind::Uuid => 0x98,
        Kind::Binary => 0xb0,
        Kind::String => 0xb1,
        Kind::Symbol => 0xb3,
        Kind::List => 0xd0,
        Kind::Map => 0xd1,
        Kind::Array => 0xf0,
    }
}

/// Returns the octets behind the constructor.
fn wide_body(value: &Value) -> Vec<u8> {
    match value {
        Value::Null | Value::Described(_) => vec![],
        Value::Boolean(value) => vec![u8::from(*value)],
        Value::Ubyte(n) => n.to_be_bytes().into(),
        Value::Ushort(n) => n.to_be_bytes().into(),
        Value::Uint(n) => n.to_be_bytes().into(),
        Value::Ulong(n) => n.to_be_bytes().into(),
        Value::Byte(n) => n.to_be_bytes().into(),
        Value::Short(n) => n.to_be_bytes().into(),
        Value::Int(n) => n.to_be_bytes().into(),
        Value::Long(n) => n.to_be_bytes().into(),
        Value::Float(n) => n.to_be_bytes().into(),
        Value::Double(n) => n.to_be_bytes().into(),
        Value::Decimal32(n) => n.to_be_bytes().into(),
        Value::Decimal64(n) => n.to_be_bytes().into(),
        Value::Decimal128(n) => n.to_be_bytes().into(),
        Value::Char(c) => u32::from(*c).to_be_bytes().into(),
        Value::Timestamp(time) => time.as_millis().to_be_bytes().into(),
        Value::Uuid(id) => id.as_bytes().to_vec(),
        Value::Binary(octets) => sized(octets),
        Value::String(text) => sized(text.as_bytes()),
        Value::Symbol(name) => sized(name.as_bytes()),
        Value::List(list) => counted(list.len(), list.iter().flat_map(wide)),
        Value::Map(map) => {
            let pairs = map.iter().flat_map(|(key, value)| [wide(key), wide(value)].concat());
            counted(2 * map.len(), pairs)
        }
        Value::Array(array) => {
            let descriptors = array.descriptors().iter().flat_map(|of| [vec![0x00], wide(of)].concat());
            let elements = array.elements().iter().flat_map(wide_body);
            counted(array.len(), descriptors.chain([wide_code(array.kind())]).chain(elements))
        }
    }
}

fn sized(octets: &[u8]) -> Vec<u8> {
    let size = u32::try_from(octets.len()).unwrap();
    [&size.to_be_bytes(), octets].concat()
}

fn counted(count: usize, items: impl Iterator<Item = u8>) -> Vec<u8> {
    let count = u32::try_from(count).unwrap().to_be_bytes();
    sized(&count.into_iter().chain(items).collect::<Vec<_>>())
}
