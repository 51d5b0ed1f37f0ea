//! [`Message`]: built by an application, or decoded as a whole.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::body::Body;
use crate::codec::EncodeError;
use crate::types::{
    AnnotationKey, Annotations, ApplicationProperties, List, Map, SimpleValue, Str, Symbol, Value,
    whole_millis,
};
use crate::wire::{Header, MessageId, Properties};

/// A message: a body, and the sections that describe it [3.2].
///
/// ```
/// use amqp_proto::message::Message;
/// use amqp_proto::types::Limits;
///
/// let message = Message::from("job-content")
///     .with_subject("print")
///     .with_property("copies", 2);
///
/// let payload = message.to_payload()?;
/// let received = Message::decode(payload, &Limits::DEFAULT)?;
/// assert_eq!(received.body().as_str(), Some("job-content"));
/// assert_eq!(received.properties().subject.as_deref(), Some("print"));
/// let copies = received.application_properties().get("copies").unwrap();
/// assert_eq!(copies.as_i64(), Some(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Message {
    pub(super) header: Header,
    pub(super) delivery_annotations: Annotations,
    pub(super) message_annotations: Annotations,
    /// Boxed, since most messages have few properties, and messages are moved often.
    pub(super) properties: Option<Box<Properties>>,
    pub(super) application_properties: ApplicationProperties,
    pub(super) body: Body,
    pub(super) footer: Annotations,
}

/// The properties of a message without a properties section.
static NO_PROPERTIES: Properties = Properties {
    message_id: None,
    user_id: None,
    to: None,
    subject: None,
    reply_to: None,
    correlation_id: None,
    content_type: None,
    content_encoding: None,
    absolute_expiry_time: None,
    creation_time: None,
    group_id: None,
    group_sequence: None,
    reply_to_group_id: None,
};

/// Compares all sections. An absent section equals an empty one.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.header == other.header
            && self.delivery_annotations == other.delivery_annotations
            && self.message_annotations == other.message_annotations
            && self.properties() == other.properties()
            && self.application_properties == other.application_properties
            && self.body == other.body
            && self.footer == other.footer
    }
}

impl Eq for Message {}

impl Message {
    /// Returns a message with this body and no other section.
    pub fn new(body: impl Into<Body>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// Returns the header: instructions for the delivery.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the [`header`](Self::header), to change it.
    pub fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }

    /// Returns the annotations for the next hop only [3.2.2].
    pub fn delivery_annotations(&self) -> &Annotations {
        &self.delivery_annotations
    }

    /// Returns the [`delivery_annotations`](Self::delivery_annotations), to change them.
    pub fn delivery_annotations_mut(&mut self) -> &mut Annotations {
        &mut self.delivery_annotations
    }

    /// Returns the annotations for the whole way [3.2.3].
    pub fn message_annotations(&self) -> &Annotations {
        &self.message_annotations
    }

    /// Returns the [`message_annotations`](Self::message_annotations), to change them.
    pub fn message_annotations_mut(&mut self) -> &mut Annotations {
        &mut self.message_annotations
    }

    /// Returns the properties, which do not change on the way.
    pub fn properties(&self) -> &Properties {
        self.properties.as_deref().unwrap_or(&NO_PROPERTIES)
    }

    /// Returns the [`properties`](Self::properties), to change them.
    pub fn properties_mut(&mut self) -> &mut Properties {
        self.properties.get_or_insert_default()
    }

    /// Returns the properties that the application defines.
    pub fn application_properties(&self) -> &ApplicationProperties {
        &self.application_properties
    }

    /// Returns the [`application_properties`](Self::application_properties), to change them.
    pub fn application_properties_mut(&mut self) -> &mut ApplicationProperties {
        &mut self.application_properties
    }

    /// Returns the body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Returns the text of the body: a string, or data that is UTF-8. `None` if the body is neither.
    pub fn text(&self) -> Option<Str> {
        self.body.text()
    }

    /// Returns the octets of the body: data, or a binary value. `None` if the body is neither.
    pub fn bytes(&self) -> Option<Bytes> {
        self.body.bytes()
    }

    /// Returns the [`body`](Self::body), to change it.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// Converts the message into its body.
    pub fn into_body(self) -> Body {
        self.body
    }

    /// Returns the footer: hashes, signatures and similar [3.2.9].
    pub fn footer(&self) -> &Annotations {
        &self.footer
    }

    /// Returns the [`footer`](Self::footer), to change it.
    pub fn footer_mut(&mut self) -> &mut Annotations {
        &mut self.footer
    }

    /// Sets whether the message must survive a restart.
    #[must_use]
    pub fn with_durable(mut self, durable: bool) -> Self {
        self.header.durable = durable;
        self
    }

    /// Sets the urgency of the message. A message without a priority has [`Header::NORMAL_PRIORITY`].
    #[must_use]
    pub fn with_priority(mut self, priority: u8) -> Self {
        self.header.priority = Some(priority);
        self
    }

    /// Sets the time from the message's arrival at a node until it expires; zero expires at once [3.2.1].
    ///
    /// A part of a millisecond counts as a whole one. The longest is 49 days.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.header.ttl = Some(whole_millis(ttl));
        self
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

    /// Adds an annotation for the whole way.
    #[must_use]
    pub fn with_annotation(mut self, key: impl Into<AnnotationKey>, value: impl Into<Value>) -> Self {
        self.message_annotations.insert(key, value);
        self
    }

    /// Adds an application-property.
    #[must_use]
    pub fn with_property(mut self, key: impl Into<Str>, value: impl Into<SimpleValue>) -> Self {
        self.application_properties.insert(key, value);
        self
    }
}

macro_rules! with_properties {
    ($($(#[$doc:meta])* $with:ident, $field:ident: $type:ty;)*) => {
        impl Message {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $with(mut self, value: impl Into<$type>) -> Self {
                    self.properties_mut().$field = Some(value.into());
                    self
                }
            )*
        }
    };
}

with_properties! {
    /// Sets the id of the message.
    with_message_id, message_id: MessageId;
    /// Sets the address of the message's destination.
    with_to, to: Str;
    /// Sets the subject of the message.
    with_subject, subject: Str;
    /// Sets the address for replies.
    with_reply_to, reply_to: Str;
    /// Sets the id of the message that this message answers.
    with_correlation_id, correlation_id: MessageId;
    /// Sets the MIME type of a body of data.
    with_content_type, content_type: Symbol;
    /// Sets the group of the message.
    with_group_id, group_id: Str;
}

macro_rules! from_body {
    ($($type:ty)*) => {$(
        impl From<$type> for Message {
            fn from(body: $type) -> Self {
                Self::new(body)
            }
        }
    )*};
}

from_body! { Body &str String Str Value List Map Bytes Vec<u8> &[u8] }
