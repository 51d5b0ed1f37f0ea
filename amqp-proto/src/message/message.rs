//! [`Message`]: built by an application, or decoded whole.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

use super::body::Body;
use super::payload::Payload;
use super::view::MessageView;
use crate::codec::{Code, Composite, DESCRIPTOR_LEN, DecodeError, Encode, EncodeError, FieldSizes, Writer};
use crate::types::{
    AnnotationKey, Annotations, ApplicationProperties, Limits, List, Map, SimpleValue, Str, Symbol, Value,
};
use crate::wire::{Header, MessageId, Properties, SectionKind};

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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

impl Message {
    /// With this body and nothing else.
    pub fn new(body: impl Into<Body>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// Reads all sections of a message that was received.
    pub fn decode(payload: impl Into<Payload>, limits: &Limits) -> Result<Self, DecodeError> {
        MessageView::new(payload, limits)?.to_message()
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

    /// What is said about the message once and for all.
    pub fn properties(&self) -> &Properties {
        self.properties.as_deref().unwrap_or(&NO_PROPERTIES)
    }

    /// See [`properties`](Self::properties).
    pub fn properties_mut(&mut self) -> &mut Properties {
        self.properties.get_or_insert_default()
    }

    /// What the application says about the message.
    pub fn application_properties(&self) -> &ApplicationProperties {
        &self.application_properties
    }

    /// See [`application_properties`](Self::application_properties).
    pub fn application_properties_mut(&mut self) -> &mut ApplicationProperties {
        &mut self.application_properties
    }

    /// What the message is about.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// See [`body`](Self::body).
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The body, by value.
    pub fn into_body(self) -> Body {
        self.body
    }

    /// What can only be said behind the body: hashes, signatures and the like [3.2.9].
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

    /// Sets how urgent the message is; 4 is normal.
    #[must_use]
    pub fn with_priority(mut self, priority: u8) -> Self {
        self.header.priority = priority;
        self
    }

    /// Sets how long the message is of use, in milliseconds.
    #[must_use]
    pub fn with_ttl(mut self, millis: u32) -> Self {
        self.header.ttl = Some(millis);
        self
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

    /// How many octets [`encode`](Self::encode) writes.
    pub fn encoded_len(&self) -> usize {
        Front::of(self).octets + body_len(&self.body) + annotations_len(&self.footer)
    }

    /// Appends the message, octets of data included.
    ///
    /// Sections that say nothing are left out. Fails, writing nothing, if a section would exceed the 4 GiB that
    /// a size field can say, or if there is a content-encoding without data to be encoded (M-PROP-05).
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.write(out, |out, octets| out.extend_from_slice(octets))
    }

    /// The message as it goes on the wire. Octets of data are shared, not copied, unless they are few.
    pub fn to_payload(&self) -> Result<Payload, EncodeError> {
        /// From how many octets on a chunk of its own costs less than a copy.
        const WORTH_SHARING: usize = 1024;
        let mut payload = Payload::new();
        let mut out = BytesMut::new();
        self.write(&mut out, |out, octets| {
            if octets.len() < WORTH_SHARING {
                out.extend_from_slice(octets);
            } else {
                payload.push(out.split().freeze());
                payload.push(octets.clone());
            }
        })?;
        payload.push(out.freeze());
        Ok(payload)
    }

    /// Writes the message, leaving it to `data` how the octets of data sections get there.
    #[inline]
    fn write(
        &self,
        out: &mut BytesMut,
        mut data: impl FnMut(&mut BytesMut, &Bytes),
    ) -> Result<(), EncodeError> {
        let front = Front::of(self);
        self.check(&front)?;
        match &self.body {
            Body::Data(sections) if !sections.is_empty() => {
                let mut head = Some(front);
                for octets in sections {
                    let fits = octets.len() <= usize::from(u8::MAX);
                    let before = head.as_ref().map_or(0, |front| front.octets);
                    let describing = DESCRIPTOR_LEN + if fits { 2 } else { 5 };
                    fill(out, before + describing, octets.len(), |writer| {
                        head.take().into_iter().for_each(|front| front.write(self, writer));
                        let [a, b, c] = descriptor(SectionKind::Data);
                        if fits {
                            let size = u8::try_from(octets.len()).unwrap_or(u8::MAX);
                            writer.octets([a, b, c, Code::BINARY8, size]);
                        } else {
                            writer.octets([a, b, c, Code::BINARY32]);
                            writer.size32(octets.len());
                        }
                    });
                    data(out, octets);
                }
            }
            body => fill(out, front.octets + body_len(body), 0, |writer| {
                front.write(self, writer);
                write_body(body, writer);
            }),
        }
        if !self.footer.is_empty() {
            fill(out, annotations_len(&self.footer), 0, |writer| {
                write_annotations(SectionKind::Footer, &self.footer, writer);
            });
        }
        Ok(())
    }

    /// Checks what types do not.
    fn check(&self, front: &Front) -> Result<(), EncodeError> {
        let is_data = matches!(self.body, Body::Data(_));
        if !is_data && self.properties().content_encoding.is_some() {
            return Err(EncodeError::ContentEncoding);
        }
        let limit = usize::try_from(u32::MAX).unwrap_or(usize::MAX);
        let octets =
            front.octets.saturating_add(body_len(&self.body)).saturating_add(annotations_len(&self.footer));
        if octets > limit { Err(EncodeError::TooLarge { octets, limit }) } else { Ok(()) }
    }
}

/// Makes room at the end of `out`, for `more` octets beyond it too, and lets it be filled.
#[inline]
fn fill(out: &mut BytesMut, octets: usize, more: usize, write: impl FnOnce(&mut Writer<'_>)) {
    let start = out.len();
    out.reserve(octets + more);
    out.resize(start + octets, 0);
    let mut writer = Writer::new(out.get_mut(start..).unwrap_or_default());
    write(&mut writer);
    debug_assert_eq!(writer.left(), 0, "less is written than was announced");
}

/// The sections before the body, measured.
struct Front {
    header: FieldSizes,
    properties: FieldSizes,
    octets: usize,
}

impl Front {
    #[inline]
    fn of(message: &Message) -> Self {
        let header = message.header.sizes();
        let properties = message.properties.as_ref().map(|properties| properties.sizes()).unwrap_or_default();
        let application = match message.application_properties.is_empty() {
            true => 0,
            false => DESCRIPTOR_LEN + message.application_properties.size(),
        };
        let octets = list_len(header)
            + annotations_len(&message.delivery_annotations)
            + annotations_len(&message.message_annotations)
            + list_len(properties)
            + application;
        Self { header, properties, octets }
    }

    #[inline]
    fn write(&self, message: &Message, writer: &mut Writer<'_>) {
        if self.header.count > 0 {
            message.header.write_sized(self.header, writer);
        }
        write_annotations(SectionKind::DeliveryAnnotations, &message.delivery_annotations, writer);
        write_annotations(SectionKind::MessageAnnotations, &message.message_annotations, writer);
        if let Some(properties) = message.properties.as_ref().filter(|_| self.properties.count > 0) {
            properties.write_sized(self.properties, writer);
        }
        if !message.application_properties.is_empty() {
            writer.octets(descriptor(SectionKind::ApplicationProperties));
            message.application_properties.write(writer);
        }
    }
}

#[inline]
fn list_len(sizes: FieldSizes) -> usize {
    if sizes.count == 0 { 0 } else { DESCRIPTOR_LEN + sizes.list_len() }
}

/// The octets of a section of annotations, none if there are no annotations.
#[inline]
pub(super) fn annotations_len(annotations: &Annotations) -> usize {
    if annotations.is_empty() { 0 } else { DESCRIPTOR_LEN + annotations.size() }
}

#[inline]
pub(super) fn write_annotations(kind: SectionKind, annotations: &Annotations, writer: &mut Writer<'_>) {
    if !annotations.is_empty() {
        writer.octets(descriptor(kind));
        annotations.write(writer);
    }
}

const fn descriptor(kind: SectionKind) -> [u8; DESCRIPTOR_LEN] {
    [Code::DESCRIBED, Code::SMALL_ULONG, kind.code()]
}

fn body_len(body: &Body) -> usize {
    let section = |value: usize| DESCRIPTOR_LEN + value;
    match body {
        Body::Empty => section(1),
        Body::Data(sections) if sections.is_empty() => section(Bytes::new().size()),
        Body::Data(sections) => sections.iter().map(|octets| section(octets.size())).sum(),
        Body::Sequence(sections) if sections.is_empty() => section(List::new().size()),
        Body::Sequence(sections) => sections.iter().map(|list| section(list.size())).sum(),
        Body::Value(value) => section(value.size()),
    }
}

/// Writes a body of which no octets are left to somebody else.
fn write_body(body: &Body, writer: &mut Writer<'_>) {
    fn section(kind: SectionKind, value: &impl Encode, writer: &mut Writer<'_>) {
        writer.octets(descriptor(kind));
        value.write(writer);
    }
    match body {
        Body::Empty => section(SectionKind::AmqpValue, &Value::Null, writer),
        Body::Data(_) => section(SectionKind::Data, &Bytes::new(), writer),
        Body::Sequence(sections) if sections.is_empty() => {
            section(SectionKind::AmqpSequence, &List::new(), writer)
        }
        Body::Sequence(sections) => {
            sections.iter().for_each(|list| section(SectionKind::AmqpSequence, list, writer));
        }
        Body::Value(value) => section(SectionKind::AmqpValue, value, writer),
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
