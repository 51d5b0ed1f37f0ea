//! Values without bytes: the lowest floor.
//!
//! This module has every type of part 1 of the standard that a program can hold: [`Value`] and its parts,
//! serial numbers, keys and moments, and the [`Limits`] for the modules above. The encoding of values is in
//! the floor above, [`codec`](crate::codec).

mod array;
mod composite;
mod convert;
mod described;
mod escaped;
mod few;
#[cfg(any(feature = "jiff", feature = "chrono", feature = "uuid"))]
mod foreign;
mod from_value;
mod items;
mod key;
mod limits;
mod list;
mod many;
mod map;
mod moment;
mod named;
mod scalar;
#[cfg(feature = "serde")]
mod serde;
mod serial;
mod str;
mod symbol;
mod tag;
mod transaction_id;
mod tree;
mod tree_set;
mod value;
mod walk;

pub use array::{Array, WrongKind};
pub use composite::{Composite, FieldReader};
pub use described::Described;
pub use from_value::{FromValue, WrongValue};
pub use key::{DeliveryKey, LinkKey, ReceiverKey, SenderKey, SessionKey, TransactionKey};
pub(crate) use limits::DecodingLimits;
pub use limits::Limits;
pub use list::List;
pub use many::{Many, ManyIntoIter};
pub use map::{Map, MapIntoIter, MapIter};
pub use moment::Moment;
pub(crate) use moment::whole_millis;
pub use named::{AnnotationKey, Annotations, ApplicationProperties, Fields, NotAllowed, SimpleValue};
pub use scalar::{Decimal32, Decimal64, Decimal128, OutOfRange, ParseUuidError, Timestamp, Uuid};
pub use serial::{Channel, DeliveryNumber, Handle, SequenceNo, TransferNumber};
pub use str::Str;
pub use symbol::{NotAscii, Symbol};
pub use tag::{DeliveryTag, TooLong};
pub use transaction_id::TransactionId;
pub use value::{Kind, Value};

pub(crate) use escaped::Escaped;
pub(crate) use few::Few;
pub(crate) use items::Items;
pub(crate) use key::{Index, Key, KeyNumbers, LinkIx, SessionIx, TransactionIx};
pub(crate) use tree::Tree;
pub(crate) use tree_set::TreeSet;
pub(crate) use walk::{Position, Step, Walk};
