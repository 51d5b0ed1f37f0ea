//! [`Candidate`]: a message that a selector looks at, and [`Field`]: a part of it.

use alloc::borrow::Cow;

use crate::message::{Message, MessageView};
use crate::types::{SequenceNo, Str, Value};
use crate::wire::{Header, Properties};

/// A part of a message that a selector can name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// An application-property.
    Property(Str),
    /// A message-annotation.
    Annotation(Str),
    /// A field of the header.
    Header(HeaderField),
    /// A field of the properties.
    Properties(PropertiesField),
}

/// A field of a message's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the standard's and say all there is
pub enum HeaderField {
    Durable,
    Priority,
    Ttl,
    FirstAcquirer,
    DeliveryCount,
}

/// A field of a message's properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the standard's and say all there is
pub enum PropertiesField {
    MessageId,
    UserId,
    To,
    Subject,
    ReplyTo,
    CorrelationId,
    ContentType,
    ContentEncoding,
    AbsoluteExpiryTime,
    CreationTime,
    GroupId,
    GroupSequence,
    ReplyToGroupId,
}

/// A message that a [`Selector`](super::Selector) looks at.
///
/// [`Message`] and [`MessageView`] are candidates. A queue that counts deliveries itself wraps one of them:
///
/// ```
/// use std::borrow::Cow;
///
/// use amqp_proto::message::Message;
/// use amqp_proto::policy::{Candidate, Field, HeaderField, Selector};
/// use amqp_proto::types::Value;
///
/// struct Stored {
///     message: Message,
///     deliveries: u32,
/// }
///
/// impl Candidate for Stored {
///     fn field(&self, field: &Field) -> Cow<'_, Value> {
///         match field {
///             Field::Header(HeaderField::DeliveryCount) => {
///                 Cow::Owned(self.deliveries.into())
///             }
///             other => self.message.field(other),
///         }
///     }
/// }
///
/// let stored = Stored { message: Message::from("job"), deliveries: 3 };
/// let selector = Selector::parse("amqp.delivery_count < 3").unwrap();
/// assert!(!selector.matches(&stored));
/// ```
pub trait Candidate {
    /// Returns the value of a field; null if the message does not have it.
    fn field(&self, field: &Field) -> Cow<'_, Value>;
}

/// Reads the fields of a message.
impl Candidate for Message {
    fn field(&self, field: &Field) -> Cow<'_, Value> {
        let found = match field {
            Field::Property(name) => self.application_properties().get(name),
            Field::Annotation(name) => self.message_annotations().get(name),
            Field::Header(field) => return Cow::Owned(of_header(self.header(), *field)),
            Field::Properties(field) => return Cow::Owned(of_properties(self.properties(), *field)),
        };
        found.map_or(Cow::Owned(Value::Null), Cow::Borrowed)
    }
}

/// Reads the fields in place, without allocation. A field of a malformed section is null.
impl Candidate for MessageView {
    fn field(&self, field: &Field) -> Cow<'_, Value> {
        let found = match field {
            Field::Property(name) => self.property(name).ok().flatten(),
            Field::Annotation(name) => self.annotation(name).ok().flatten(),
            Field::Header(field) => self.header().ok().map(|header| of_header(&header, *field)),
            Field::Properties(field) => self.one_of_properties(*field),
        };
        Cow::Owned(found.unwrap_or_default())
    }
}

/// Reads the fields of a borrowed candidate.
impl<C: Candidate + ?Sized> Candidate for &C {
    fn field(&self, field: &Field) -> Cow<'_, Value> {
        (**self).field(field)
    }
}

fn of_header(header: &Header, field: HeaderField) -> Value {
    match field {
        HeaderField::Durable => header.durable.into(),
        HeaderField::Priority => header.priority.unwrap_or(Header::NORMAL_PRIORITY).into(),
        HeaderField::Ttl => header.ttl.into(),
        HeaderField::FirstAcquirer => header.first_acquirer.into(),
        HeaderField::DeliveryCount => header.delivery_count.into(),
    }
}

macro_rules! properties {
    ($($variant:ident $name:ident $(=> $get:path)?;)*) => {
        fn of_properties(properties: &Properties, field: PropertiesField) -> Value {
            match field {
                $(PropertiesField::$variant => properties.$name.clone()$(.map($get))?.into(),)*
            }
        }

        impl MessageView {
            /// Decodes one field of the properties.
            fn one_of_properties(&self, field: PropertiesField) -> Option<Value> {
                match field {
                    $(PropertiesField::$variant => self.$name().ok().flatten()$(.map($get))?.map(Value::from),)*
                }
            }
        }
    };
}

properties! {
    MessageId message_id;
    UserId user_id;
    To to;
    Subject subject;
    ReplyTo reply_to;
    CorrelationId correlation_id;
    ContentType content_type;
    ContentEncoding content_encoding;
    AbsoluteExpiryTime absolute_expiry_time;
    CreationTime creation_time;
    GroupId group_id;
    GroupSequence group_sequence => SequenceNo::get;
    ReplyToGroupId reply_to_group_id;
}
