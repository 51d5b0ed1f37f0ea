//! Proptest strategies. All values are legal and small, and shrink towards simple ones.
//!
//! Types of this crate work with [`any`](proptest::prelude::any), such as `any::<Open>()`. The functions here make
//! values that have no type of their own, or take parameters.
//!
//! ```
//! use amqp_proto::testing::strategies::value;
//! use amqp_proto::types::{Limits, Value};
//! use bytes::BytesMut;
//! use proptest::prelude::*;
//!
//! proptest!(|(value in value())| {
//!     let mut octets = BytesMut::new();
//!     value.encode(&mut octets)?;
//!     let read = Value::decode(&mut octets.freeze(), &Limits::DEFAULT)?;
//!     prop_assert_eq!(read, value);
//! });
//! ```

use bytes::Bytes;
use proptest::strategy::Strategy;

use super::sample::Sample;
use super::value;
use crate::message::Message;
use crate::types::{Array, Kind, Str, Symbol, Value};
use crate::wire::{Frame, Performative, ProtocolHeader, SaslBody};

/// Returns a strategy of all values: null, scalars and, up to four levels deep, lists, maps, arrays and described
/// values.
///
/// Equal to `any::<Value>()`.
pub fn value() -> impl Strategy<Value = Value> {
    Value::strategy()
}

/// Returns a strategy of values of one kind. Lists, maps and arrays hold scalars, arrays also other compounds.
///
/// ```
/// use amqp_proto::testing::strategies::value_of;
/// use amqp_proto::types::Kind;
/// use proptest::prelude::*;
///
/// proptest!(|(number in value_of(Kind::Ushort))| {
///     prop_assert!(number.as_u64().is_some_and(|n| n <= 65_535));
/// });
/// ```
pub fn value_of(kind: Kind) -> impl Strategy<Value = Value> {
    value::of_kind(kind, &value::scalar())
}

/// Returns a strategy of null and all scalars, which application-properties may hold.
pub fn scalar() -> impl Strategy<Value = Value> {
    value::scalar()
}

/// Returns a strategy of described values. Descriptor and value are scalars.
pub fn described() -> impl Strategy<Value = Value> {
    value::described(&value::scalar())
}

/// Returns a strategy of arrays of every kind of element: scalar, compound, nested, described, and of no octets.
pub fn array() -> impl Strategy<Value = Array> {
    Array::strategy()
}

/// Returns a strategy of strings of all characters, sometimes just too long for the short encoding.
pub fn string() -> impl Strategy<Value = Str> {
    Str::strategy()
}

/// Returns a strategy of symbols of all ASCII characters, sometimes just too long for the short encoding.
pub fn symbol() -> impl Strategy<Value = Symbol> {
    Symbol::strategy()
}

/// Returns a strategy of octets, sometimes just too many for the short encoding.
pub fn binary() -> impl Strategy<Value = Bytes> {
    Bytes::strategy()
}

/// Returns a strategy of the nine performatives, with and without each optional field.
///
/// ```
/// use amqp_proto::testing::strategies::performative;
/// use amqp_proto::types::Channel;
/// use bytes::BytesMut;
/// use proptest::prelude::*;
///
/// proptest!(|(performative in performative())| {
///     let mut octets = BytesMut::new();
///     performative.encode_frame(Channel::new(0), 0, u32::MAX, &mut octets)?;
///     prop_assert_eq!(&octets[8..11], [0x00, 0x53, octets[10]]);
/// });
/// ```
pub fn performative() -> impl Strategy<Value = Performative> {
    Performative::strategy()
}

/// Returns a strategy of the five bodies of SASL frames.
pub fn sasl_body() -> impl Strategy<Value = SaslBody> {
    SaslBody::strategy()
}

/// Returns a strategy of AMQP frames, with and without payload, empty frames, and SASL frames.
///
/// ```
/// use amqp_proto::testing::strategies::frame;
/// use amqp_proto::wire::FrameHeader;
/// use bytes::BytesMut;
/// use proptest::prelude::*;
///
/// proptest!(|(frame in frame())| {
///     let mut octets = BytesMut::new();
///     frame.encode(u32::MAX, &mut octets)?;
///     let header = FrameHeader::decode(&octets, u32::MAX)?.unwrap();
///     prop_assert_eq!(header.size as usize, octets.len());
/// });
/// ```
pub fn frame() -> impl Strategy<Value = Frame> {
    Frame::strategy()
}

/// Returns a strategy of protocol headers of any protocol and version.
pub fn protocol_header() -> impl Strategy<Value = ProtocolHeader> {
    ProtocolHeader::strategy()
}

/// Returns a strategy of messages with and without each section, and with each form of body in one section or
/// several.
///
/// ```
/// use amqp_proto::message::Message;
/// use amqp_proto::testing::strategies::message;
/// use amqp_proto::types::Limits;
/// use proptest::prelude::*;
///
/// proptest!(|(message in message())| {
///     let read = Message::decode(message.to_payload()?, &Limits::DEFAULT)?;
///     prop_assert_eq!(read, message);
/// });
/// ```
pub fn message() -> impl Strategy<Value = Message> {
    Message::strategy()
}
