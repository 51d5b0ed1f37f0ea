//! The single fields of a [`Message`]: one call to set each, and one to get it.

use core::time::Duration;

use bytes::Bytes;

use super::body::Body;
use super::message::Message;
use crate::codec::EncodeError;
use crate::types::{AnnotationKey, SequenceNo, SimpleValue, Str, Symbol, Timestamp, Value, whole_millis};
use crate::wire::{Header, MessageId};

/// One call sets a field, and one returns it.
///
/// ```
/// use core::time::Duration;
///
/// use amqp_proto::message::Message;
///
/// let job = Message::from("print")
///     .with_durable(true)
///     .with_ttl(Duration::from_secs(60))
///     .with_message_id("job-1")
///     .with_reply_to("answers")
///     .with_property("copies", 2);
/// assert_eq!(job.ttl(), Some(Duration::from_secs(60)));
/// assert_eq!(job.message_id().unwrap(), "job-1");
/// assert_eq!(job.property("copies").unwrap().as_i64(), Some(2));
/// assert_eq!(job.subject(), None);
/// ```
impl Message {
    /// Sets whether the message must survive a restart.
    #[must_use]
    pub fn with_durable(mut self, durable: bool) -> Self {
        self.header.durable = durable;
        self
    }

    /// Returns `true` if the message must survive a restart.
    pub fn durable(&self) -> bool {
        self.header.durable
    }

    /// Sets the urgency of the message. A message without a priority has [`Header::NORMAL_PRIORITY`].
    #[must_use]
    pub fn with_priority(mut self, priority: u8) -> Self {
        self.header.priority = Some(priority);
        self
    }

    /// Returns the urgency of the message, [`Header::NORMAL_PRIORITY`] if it has none.
    pub fn priority(&self) -> u8 {
        self.header.priority.unwrap_or(Header::NORMAL_PRIORITY)
    }

    /// Sets the time from the message's arrival at a node until it expires; zero expires at once [3.2.1].
    ///
    /// A part of a millisecond counts as a whole one. The longest is 49 days;
    /// [`with_absolute_expiry_time`](Self::with_absolute_expiry_time) has no such bound.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.header.ttl = Some(whole_millis(ttl));
        self
    }

    /// Returns the time from the message's arrival at a node until it expires. `None` if it never expires.
    pub fn ttl(&self) -> Option<Duration> {
        self.header.ttl.map(|millis| Duration::from_millis(millis.into()))
    }

    /// Sets the encoding of the body's data, such as a compression.
    ///
    /// # Errors
    ///
    /// [`EncodeError::ContentEncoding`] if the body is not data, or if the encoding is `identity`, which the
    /// standard forbids [3.2.4].
    pub fn with_content_encoding(mut self, encoding: impl Into<Symbol>) -> Result<Self, EncodeError> {
        let encoding = encoding.into();
        if encoding == "identity" || !matches!(self.body, Body::Data(_)) {
            return Err(EncodeError::ContentEncoding);
        }
        self.properties_mut().content_encoding = Some(encoding);
        Ok(self)
    }

    /// Returns the encoding of the body's data.
    pub fn content_encoding(&self) -> Option<&Symbol> {
        self.properties().content_encoding.as_ref()
    }

    /// Adds an annotation for the whole way.
    #[must_use]
    pub fn with_annotation(mut self, key: impl Into<AnnotationKey>, value: impl Into<Value>) -> Self {
        self.message_annotations.insert(key, value);
        self
    }

    /// Returns the annotation for the whole way whose key has the text `key`.
    pub fn annotation(&self, key: &str) -> Option<&Value> {
        self.message_annotations.get(key)
    }

    /// Adds an annotation for the next hop only.
    #[must_use]
    pub fn with_delivery_annotation(
        mut self,
        key: impl Into<AnnotationKey>,
        value: impl Into<Value>,
    ) -> Self {
        self.delivery_annotations.insert(key, value);
        self
    }

    /// Returns the annotation for the next hop whose key has the text `key`.
    pub fn delivery_annotation(&self, key: &str) -> Option<&Value> {
        self.delivery_annotations.get(key)
    }

    /// Adds an application-property.
    #[must_use]
    pub fn with_property(mut self, key: impl Into<Str>, value: impl Into<SimpleValue>) -> Self {
        self.application_properties.insert(key, value);
        self
    }

    /// Returns the application-property with this key.
    pub fn property(&self, key: &str) -> Option<&Value> {
        self.application_properties.get(key)
    }

    /// Adds an entry to the footer.
    #[must_use]
    pub fn with_footer(mut self, key: impl Into<AnnotationKey>, value: impl Into<Value>) -> Self {
        self.footer.insert(key, value);
        self
    }
}

macro_rules! properties {
    ($($what:literal, $with:ident, $field:ident: $type:ty, $get:ident -> $got:ty;)*) => {
        impl Message {
            $(
                #[doc = concat!("Sets ", $what, ".")]
                #[must_use]
                pub fn $with(mut self, $field: impl Into<$type>) -> Self {
                    self.properties_mut().$field = Some($field.into());
                    self
                }

                #[doc = concat!("Returns ", $what, ", if the message has one.")]
                pub fn $field(&self) -> Option<$got> {
                    self.properties().$field.$get()
                }
            )*
        }
    };
}

properties! {
    "the id of the message", with_message_id, message_id: MessageId, as_ref -> &MessageId;
    "the user who made the message", with_user_id, user_id: Bytes, as_ref -> &Bytes;
    "the address of the message's destination", with_to, to: Str, as_ref -> &Str;
    "the subject of the message", with_subject, subject: Str, as_ref -> &Str;
    "the address for replies", with_reply_to, reply_to: Str, as_ref -> &Str;
    "the id of the message that this message answers",
        with_correlation_id, correlation_id: MessageId, as_ref -> &MessageId;
    "the MIME type of a body of data", with_content_type, content_type: Symbol, as_ref -> &Symbol;
    "the time at which the message expires",
        with_absolute_expiry_time, absolute_expiry_time: Timestamp, clone -> Timestamp;
    "the time at which the message was made",
        with_creation_time, creation_time: Timestamp, clone -> Timestamp;
    "the group of the message", with_group_id, group_id: Str, as_ref -> &Str;
    "the place of the message in its group",
        with_group_sequence, group_sequence: SequenceNo, clone -> SequenceNo;
    "the group of the replies", with_reply_to_group_id, reply_to_group_id: Str, as_ref -> &Str;
}
