//! Values and their encoding in octets [1.2-1.6].
//!
//! Reading is strict and bounded: every legal encoding is accepted and nothing else, and memory is reserved
//! only for octets that have arrived, whatever a count or size claims. Writing chooses the shortest form
//! [1.6] and knows its length beforehand. Neither recurses. The floor above, [`wire`](crate::wire), gives
//! descriptors their meaning.

mod any;
mod choice;
mod code;
mod composite;
mod decode;
mod descriptor;
mod encode;
mod error;
mod field;
mod leaf;
mod measure;
mod plain_entry;
mod value;
mod view;

pub use composite::{FieldSchema, Schema};
pub use error::{DecodeError, DecodeErrorKind, EncodeError, LimitKind};
pub use view::{Entries, ValueRef};

pub(crate) use any::{AnyComposite, FieldTable, MOST_FIELDS, Vacant, Written, read_list, vacant};
pub(crate) use choice::choices;
pub(crate) use code::{Code, Width};
#[cfg(not(feature = "small"))]
pub(crate) use composite::COMPOSITE_MOST;
pub(crate) use composite::{Composite, composite, decode_one, encode_one};
pub(crate) use decode::{Budget, Decode, Decoder};
pub(crate) use descriptor::{DESCRIPTOR_LEN, Descriptor, Names};
pub(crate) use encode::{Encode, Writer, fill};
pub(crate) use error::{Fault, FieldName, Parsed, fail};
pub(crate) use field::{Field, FieldReader, FieldSizes};
pub(crate) use leaf::{octet, to_usize};
pub(crate) use plain_entry::plain_entry;
pub(crate) use view::{find_entry, skip};
