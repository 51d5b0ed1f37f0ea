//! [`Message`]: built by an application, or decoded whole.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

use super::body::Body;
use crate::codec::EncodeError;
use crate::types::{
    AnnotationKey, Annotations, ApplicationProperties, List, Map, SimpleValue, Str, Symbol, Value,
};
use crate::wire::{Header, MessageId, Properties};

/// A message: a body, and what is said about it [3.2].
///
/// ```
/// use amqp_proto::message::Message;
/// use amqp_proto::types::Limits;
///
/// let message = Message::from("job-content").with_subject("print").with_property("copies", 2);
///
/// let payload = message.to_payload()?;
/// let received = Message::decode(payload, &Limits::DEFAULT)?;
/// assert_eq!(received.body().as_str(), Some("job-content"));
/// assert_eq!(received.properties().subject.as_deref(), Some("print"));
/// assert_eq!(received.application_properties().get("copies").unwrap().as_i64(), Some(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Message {
    pub(super) header: Header,
    pub(super) delivery_annotations: Annotations,
    pub(super) message_annotations: Annotations,
    /// Boxed: most messages have few properties or none, and messages are moved about.
    pub(super) properties: Option<Box<Properties>>,
    pub(super) application_properties: ApplicationProperties,
    pub(super) body: Body,
    pub(super) footer: Annotations,
}

/// What a message without properties section has.
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

/// Equal in all sections; an absent one equals one that says nothing.
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
    /// With this body and nothing else.
    pub fn new(body: impl Into<Body>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// How the message is to be handled on its way.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// See [`header`](Self::header).
    pub fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }

    /// Annotations for the next hop only [3.2.2].
    pub fn delivery_annotations(&self) -> &Annotations {
        &self.delivery_annotations
    }

    /// See [`delivery_annotations`](Self::delivery_annotations).
    pub fn delivery_annotations_mut(&mut self) -> &mut Annotations {
        &mut self.delivery_annotations
    }

    /// Annotations for the whole way [3.2.3].
    pub fn message_annotations(&self) -> &Annotations {
        &self.message_annotations
    }

    /// See [`message_annotations`](Self::message_annotations).
    pub fn message_annotations_mut(&mut self) -> &mut Annotations {
        &mut self.message_annotations
    }

    /// Returns the properties: they never change on the way.
    pub fn properties(&self) -> &Properties {
        self.properties.as_deref().unwrap_or(&NO_PROPERTIES)
    }

    /// See [`properties`](Self::properties).
    pub fn properties_mut(&mut self) -> &mut Properties {
        self.properties.get_or_insert_default()
    }

    /// Returns the properties that the application has made up.
    pub fn application_properties(&self) -> &ApplicationProperties {
        &self.application_properties
    }

    /// See [`application_properties`](Self::application_properties).
    pub fn application_properties_mut(&mut self) -> &mut ApplicationProperties {
        &mut self.application_properties
    }

    /// Returns the body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Returns the text of the body: that of a string, or of data that is UTF-8. `None` if the body is neither.
    pub fn text(&self) -> Option<Str> {
        self.body.text()
    }

    /// Returns the octets of the body: those of data, or of a binary value. `None` if the body is neither.
    pub fn bytes(&self) -> Option<Bytes> {
        self.body.bytes()
    }

    /// See [`body`](Self::body).
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// Returns the body, by value.
    pub fn into_body(self) -> Body {
        self.body
    }

    /// Returns the footer: hashes, signatures and the like [3.2.9].
    pub fn footer(&self) -> &Annotations {
        &self.footer
    }

    /// See [`footer`](Self::footer).
    pub fn footer_mut(&mut self) -> &mut Annotations {
        &mut self.footer
    }

    /// Sets whether the message must survive a restart.
    #[must_use]
    pub fn with_durable(mut self, durable: bool) -> Self {
        self.header.durable = durable;
        self
    }

    /// Sets how urgent the message is; [`Header::NORMAL_PRIORITY`] applies where none is set.
    #[must_use]
    pub fn with_priority(mut self, priority: u8) -> Self {
        self.header.priority = Some(priority);
        self
    }

    /// Sets how long the message is of use, in milliseconds.
    #[must_use]
    pub fn with_ttl(mut self, millis: u32) -> Self {
        self.header.ttl = Some(millis);
        self
    }

    /// Sets how the data of the body is compressed or otherwise encoded.
    ///
    /// Fails if the body is not data, or for `identity`, which says nothing [3.2.4].
    pub fn with_content_encoding(mut self, encoding: impl Into<Symbol>) -> Result<Self, EncodeError> {
        let encoding = encoding.into();
        if encoding == "identity" || !matches!(self.body, Body::Data(_)) {
            return Err(EncodeError::ContentEncoding);
        }
        self.properties_mut().content_encoding = Some(encoding);
        Ok(self)
    }

    /// Sets an annotation for the whole way.
    #[must_use]
    pub fn with_annotation(mut self, key: impl Into<AnnotationKey>, value: impl Into<Value>) -> Self {
        self.message_annotations.insert(key, value);
        self
    }

    /// Sets an application-property.
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
    /// Names the message.
    with_message_id, message_id: MessageId;
    /// Sets the address that the message is meant for.
    with_to, to: Str;
    /// Sets what the message is about.
    with_subject, subject: Str;
    /// Sets the address that answers should go to.
    with_reply_to, reply_to: Str;
    /// Names the message that this one answers.
    with_correlation_id, correlation_id: MessageId;
    /// Sets the MIME type of a body of data.
    with_content_type, content_type: Symbol;
    /// Sets the group that the message belongs to.
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
