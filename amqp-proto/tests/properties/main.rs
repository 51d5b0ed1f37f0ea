//! Properties of every value, described type, frame and message, and of arbitrary octets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod described;
mod laws;
mod messages;
mod octets;
mod streams;
mod values;
mod wide;

use amqp_proto::codec::DecodeError;
use amqp_proto::types::{Limits, Value};
use bytes::{Bytes, BytesMut};

const LIMITS: &Limits = &Limits::DEFAULT;

fn encode(value: &Value) -> Bytes {
    let mut out = BytesMut::new();
    value.encode(&mut out).unwrap();
    assert_eq!(out.len(), value.encoded_len(), "announced length of {value}");
    out.freeze()
}

/// Decodes the one value in the octets.
fn decode(octets: impl Into<Bytes>) -> Result<Value, DecodeError> {
    let mut octets = octets.into();
    let value = taking(&mut octets, Value::decode)?;
    assert!(octets.is_empty(), "{} octets behind {value}", octets.len());
    Ok(value)
}

/// Decodes, and checks that octets are taken only on success.
fn taking<T>(
    octets: &mut Bytes,
    decode: impl Fn(&mut Bytes, &Limits) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let before = octets.clone();
    let result = decode(octets, LIMITS);
    match &result {
        Ok(_) => assert!(octets.len() < before.len() && before.ends_with(octets)),
        Err(error) => {
            assert_eq!(*octets, before, "octets taken in spite of: {error}");
            assert!(error.offset() <= before.len(), "{error} is beyond the {} octets", before.len());
        }
    }
    result
}
