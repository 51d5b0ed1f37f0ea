//! [`Message`]: built by an application, or decoded as a whole.

use alloc::boxed::Box;

use bytes::Bytes;

use super::body::Body;
use crate::types::{Annotations, ApplicationProperties, Str};
use crate::wire::{Header, Properties};

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

    /// Returns the text of the body: a string, or octets that are UTF-8. `None` if the body is neither.
    pub fn text(&self) -> Option<Str> {
        self.body.text()
    }

    /// Returns the octets of the body: data, a binary value or a string. `None` if the body is none of them.
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
}

/// Makes a message of whatever makes a body, with nothing else in it.
impl<T: Into<Body>> From<T> for Message {
    fn from(body: T) -> Self {
        Self::new(body)
    }
}
