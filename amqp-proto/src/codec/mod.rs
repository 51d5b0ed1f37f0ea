//! Floor 1: values and the octets that stand for them [1.2-1.6].
//!
//! Reading is strict and bounded: every legal encoding is accepted, nothing else, and no count or size a peer
//! writes is believed before the octets are there to show for it. Writing always picks the shortest form [1.6] and
//! knows its size beforehand. Neither recurses. Descriptors get their meaning one floor up
//! ([`wire`](crate::wire)).

mod choice;
mod code;
mod composite;
mod decode;
mod encode;
mod error;
mod field;
mod leaf;
mod measure;
mod value;
mod view;

pub use composite::{FieldSchema, Schema};
pub use error::{DecodeError, DecodeErrorKind, EncodeError, LimitKind};
pub use view::{Entries, ValueRef};

pub(crate) use choice::choices;
pub(crate) use code::{Code, Width};
pub(crate) use composite::{
    COMPOSITE_MOST, Composite, DESCRIPTOR_LEN, Descriptor, composite, decode_one, encode_one,
};
pub(crate) use decode::{Budget, Decode, Decoder};
pub(crate) use encode::{Encode, Writer, fill};
pub(crate) use error::{Fault, FieldName, Parsed, fail};
pub(crate) use field::{Field, FieldReader, FieldSizes};
pub(crate) use leaf::{octet, to_usize};
pub(crate) use view::skip;
