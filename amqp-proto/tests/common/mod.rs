//! Helpers of the integration tests: hexadecimal text, data files, decoding and encoding.
#![allow(dead_code)] // no test file uses all of it

pub(crate) mod wire;

use amqp_proto::codec::DecodeError;
use amqp_proto::types::{Limits, Value};
use bytes::{Bytes, BytesMut};

/// Parses hexadecimal digits; blanks between them are ignored.
pub(crate) fn octets(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.chars().filter(|c| !c.is_whitespace()).map(digit).collect();
    assert_eq!(digits.len() % 2, 0, "odd number of digits in {hex}");
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>().into()
}

fn digit(c: char) -> u8 {
    u8::try_from(c.to_digit(16).unwrap_or_else(|| panic!("{c:?} is no hexadecimal digit"))).unwrap()
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Decodes the one value in the octets, which must be complete.
pub(crate) fn decode(hex: &str) -> Result<Value, DecodeError> {
    decode_within(hex, &Limits::DEFAULT)
}

pub(crate) fn decode_within(hex: &str, limits: &Limits) -> Result<Value, DecodeError> {
    let mut input = octets(hex);
    let before = input.len();
    let value = Value::decode(&mut input, limits);
    match value {
        Ok(_) => assert!(input.is_empty(), "{} octets of {hex} are left", input.len()),
        Err(_) => assert_eq!(input.len(), before, "an error took octets of {hex}"),
    }
    value
}

/// Encodes a value as hexadecimal digits, and checks the announced length.
pub(crate) fn encode(value: impl Into<Value>) -> String {
    let value = value.into();
    let mut out = BytesMut::new();
    value.encode(&mut out).unwrap();
    assert_eq!(out.len(), value.encoded_len(), "announced length of {value}");
    hex(&out)
}

/// Loads a file of `tests/data`.
pub(crate) fn data(name: &str) -> serde_json::Value {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns the text under a key.
pub(crate) fn text<'a>(object: &'a serde_json::Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or_else(|| panic!("no text under {key}"))
}
