//! Fuzzes values: decoded from octets, and generated from octets.
#![no_main]

use amqp_proto::codec::{Entries, ValueRef};
use amqp_proto::types::{Limits, Value};
use arbitrary::{Arbitrary, Unstructured};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let octets = Bytes::copy_from_slice(octets);
    let _ = ValueRef::decode(&octets);
    let _ = Entries::new(&octets).map(Iterator::count);
    let read = Value::decode(&mut octets.clone(), &Limits::DEFAULT).ok();
    let made = Value::arbitrary(&mut Unstructured::new(&octets)).ok();
    for value in read.into_iter().chain(made) {
        let mut out = BytesMut::new();
        value.encode(&mut out).expect("it is small enough");
        assert_eq!(out.len(), value.encoded_len());
        assert_eq!(Value::decode(&mut out.freeze(), &Limits::DEFAULT), Ok(value.clone()));
        assert!(!value.to_string().contains(char::is_control));
    }
});
