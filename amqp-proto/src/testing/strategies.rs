//! Proptest strategies: everything made up here is legal, is small, and shrinks towards what is simple.
//!
//! Types of this crate work with [`any`](proptest::prelude::any) as they are, such as `any::<Open>()`. The
//! functions here are for what is no type of its own or takes a choice.
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

/// Any value: null, scalars and, up to four levels deep, lists, maps, arrays and described values.
///
/// The same as `any::<Value>()`.
pub fn value() -> impl Strategy<Value = Value> {
    Value::strategy()
}

/// Values of one kind; lists, maps and arrays hold scalars, arrays also other compounds.
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

/// Null and all scalars: what application-properties may hold.
pub fn scalar() -> impl Strategy<Value = Value> {
    value::scalar()
}

/// Returns a value with a descriptor of any type; both are scalars.
pub fn described() -> impl Strategy<Value = Value> {
    value::described(&value::scalar())
}

/// Arrays of every kind of element: scalar, compound, nested, described, and such as take no octets.
pub fn array() -> impl Strategy<Value = Array> {
    Array::strategy()
}

/// Text, characters of every kind among it, now and then just too long for the short form.
pub fn string() -> impl Strategy<Value = Str> {
    Str::strategy()
}

/// Names of any ASCII characters, now and then just too long for the short form.
pub fn symbol() -> impl Strategy<Value = Symbol> {
    Symbol::strategy()
}

/// Octets, now and then just too many for the short form.
pub fn binary() -> impl Strategy<Value = Bytes> {
    Bytes::strategy()
}

/// Any of the nine performatives, with every field there or left out.
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

/// Any of the five bodies of SASL frames.
pub fn sasl_body() -> impl Strategy<Value = SaslBody> {
    SaslBody::strategy()
}

/// AMQP frames, transfers with and without payload among them, empty frames, and SASL frames.
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

/// Protocol headers of any protocol and version.
pub fn protocol_header() -> impl Strategy<Value = ProtocolHeader> {
    ProtocolHeader::strategy()
}

/// Messages with every section there or left out, and each form of body in one section or several.
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
