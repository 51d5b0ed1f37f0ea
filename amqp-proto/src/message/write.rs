//! Writing a [`Message`]: in one pass where there is room, otherwise after measuring.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::body::Body;
use super::message::Message;
use super::payload::Payload;
use crate::codec::{
    Code, Composite, DESCRIPTOR_LEN, Encode, EncodeError, FieldSizes, Writer, fill, to_usize,
};
use crate::types::{Annotations, List, Map, Value};
use crate::wire::{Header, SectionKind};

impl Message {
    /// Returns the number of octets that [`encode`](Self::encode) writes.
    pub fn encoded_len(&self) -> usize {
        Front::of(self).octets.saturating_add(self.rest_len())
    }

    /// Appends the message. Empty sections are omitted.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLarge`] if the message exceeds the 4 GiB that a size field can express. Nothing is
    /// appended then.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.write(out, |out, octets| out.extend_from_slice(octets))
    }

    /// Returns the encoded message. Data of 1 KiB or more is shared and not copied.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLarge`] if the message exceeds the 4 GiB that a size field can express.
    pub fn to_payload(&self) -> Result<Payload, EncodeError> {
        /// From this size on, a chunk of its own costs less than a copy.
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

    /// Writes the message; `data` adds the octets of data sections.
    #[inline]
    fn write(
        &self,
        out: &mut BytesMut,
        mut data: impl FnMut(&mut BytesMut, &Bytes),
    ) -> Result<(), EncodeError> {
        if let Some(octets) = self.write_head(out)? {
            data(out, octets);
        }
        if let Body::Data(sections) = &self.body {
            for octets in sections.iter().skip(1) {
                fill(out, data_head_len(octets), |writer| write_data_head(octets.len(), writer));
                data(out, octets);
            }
        }
        if !self.footer.is_empty() {
            fill(out, annotations_len(&self.footer), |writer| {
                write_annotations(SectionKind::Footer, &self.footer, writer)
            });
        }
        Ok(())
    }

    /// Writes all sections up to the footer, or up to the octets of the first data section, which are
    /// returned.
    ///
    /// Most messages fit a buffer of fixed size; they are written without being measured first.
    #[inline(always)]
    fn write_head(&self, out: &mut BytesMut) -> Result<Option<&Bytes>, EncodeError> {
        const ROOM: usize = 256;
        /// From this size on, the length of the whole message is checked.
        const LARGE: usize = 1 << 30;
        let start = out.len();
        let (first, is_small) = match &self.body {
            Body::Data(sections) => match &**sections {
                [octets] => (Some(octets), octets.len() < LARGE),
                sections => (sections.first(), false),
            },
            _ => (None, true),
        };
        let in_one_pass = is_small && !cfg!(feature = "small");
        if in_one_pass && self.footer.is_empty() && out.capacity() - start >= ROOM {
            out.resize(start + ROOM, 0);
            let writer = Writer::new(out.get_mut(start..).unwrap_or_default());
            let left = self.write_body_head(first, self.write_front(writer)).left();
            if left > 0 {
                out.truncate(start + ROOM - left);
                return Ok(first);
            }
            out.truncate(start);
        }
        let front = Front::of(self);
        check_len(front.octets.saturating_add(self.rest_len()))?;
        let body = first.map_or_else(|| body_len(&self.body), data_head_len);
        fill(out, front.octets + body, |writer| self.write_body_head(first, front.write(self, writer)));
        Ok(first)
    }

    /// Returns the length of body and footer.
    #[inline]
    fn rest_len(&self) -> usize {
        body_len(&self.body).saturating_add(annotations_len(&self.footer))
    }

    /// Writes the sections before the body, without measuring them first.
    #[inline]
    fn write_front<'w>(&self, mut writer: Writer<'w>) -> Writer<'w> {
        if self.header != Header::default() {
            writer = self.header.write_narrow(writer);
        }
        writer =
            write_map_narrow(SectionKind::DeliveryAnnotations, self.delivery_annotations.as_map(), writer);
        writer = write_map_narrow(SectionKind::MessageAnnotations, self.message_annotations.as_map(), writer);
        if let Some(properties) = &self.properties {
            writer = properties.write_narrow(writer);
        }
        write_map_narrow(SectionKind::ApplicationProperties, self.application_properties.as_map(), writer)
    }

    /// Writes the body, up to the octets of the first data section.
    #[inline]
    fn write_body_head<'w>(&self, data: Option<&Bytes>, writer: Writer<'w>) -> Writer<'w> {
        match data {
            Some(octets) => write_data_head(octets.len(), writer),
            None => write_body(&self.body, writer),
        }
    }
}

/// The greatest length of a data section's header.
const DATA_HEAD: usize = DESCRIPTOR_LEN + 5;

/// Checks that offsets into the message fit 32 bits.
#[inline]
fn check_len(octets: usize) -> Result<(), EncodeError> {
    let limit = to_usize(u32::MAX);
    if octets > limit { Err(EncodeError::TooLarge { octets, limit }) } else { Ok(()) }
}

/// Returns the length of a data section's header.
#[inline]
fn data_head_len(octets: &Bytes) -> usize {
    DESCRIPTOR_LEN + octets.size() - octets.len()
}

#[inline]
fn write_map_narrow<'w>(kind: SectionKind, map: &Map, writer: Writer<'w>) -> Writer<'w> {
    if map.is_empty() { writer } else { map.write_narrow(writer.octets(descriptor(kind))) }
}

/// The sizes of the sections before the body.
struct Front {
    header: FieldSizes,
    properties: FieldSizes,
    delivery_annotations: usize,
    message_annotations: usize,
    application_properties: usize,
    octets: usize,
}

impl Front {
    #[inline]
    fn of(message: &Message) -> Self {
        let mut front = Self {
            header: message.header.sizes(),
            properties: message.properties.as_ref().map(|properties| properties.sizes()).unwrap_or_default(),
            delivery_annotations: message.delivery_annotations.as_map().measure(),
            message_annotations: message.message_annotations.as_map().measure(),
            application_properties: message.application_properties.as_map().measure(),
            octets: 0,
        };
        front.octets = list_len(front.header)
            + map_len(message.delivery_annotations.as_map(), front.delivery_annotations)
            + map_len(message.message_annotations.as_map(), front.message_annotations)
            + list_len(front.properties)
            + map_len(message.application_properties.as_map(), front.application_properties);
        front
    }

    fn write<'w>(&self, message: &Message, mut writer: Writer<'w>) -> Writer<'w> {
        if self.header.count > 0 {
            writer = message.header.write_sized(self.header, writer);
        }
        let (delivery, on_message) =
            (message.delivery_annotations.as_map(), message.message_annotations.as_map());
        writer = write_map(SectionKind::DeliveryAnnotations, delivery, self.delivery_annotations, writer);
        writer = write_map(SectionKind::MessageAnnotations, on_message, self.message_annotations, writer);
        if let Some(properties) = message.properties.as_ref().filter(|_| self.properties.count > 0) {
            writer = properties.write_sized(self.properties, writer);
        }
        let application = message.application_properties.as_map();
        write_map(SectionKind::ApplicationProperties, application, self.application_properties, writer)
    }
}

/// Returns the length of a section that is a list of fields; 0 if no field is set.
#[inline]
fn list_len(sizes: FieldSizes) -> usize {
    if sizes.count == 0 { 0 } else { DESCRIPTOR_LEN + sizes.list_len() }
}

/// Returns the length of a section that is a map with pairs of this length; 0 if there are no pairs.
#[inline]
fn map_len(map: &Map, octets: usize) -> usize {
    if map.is_empty() { 0 } else { DESCRIPTOR_LEN + map.measured_len(octets) }
}

#[inline]
fn write_map<'w>(kind: SectionKind, map: &Map, octets: usize, writer: Writer<'w>) -> Writer<'w> {
    if map.is_empty() { writer } else { map.write_measured(octets, writer.octets(descriptor(kind))) }
}

/// Returns the length of a section of annotations; 0 if there are no annotations.
#[inline]
pub(super) fn annotations_len(annotations: &Annotations) -> usize {
    if annotations.is_empty() { 0 } else { map_len(annotations.as_map(), annotations.as_map().measure()) }
}

pub(super) fn write_annotations<'w>(
    kind: SectionKind,
    annotations: &Annotations,
    writer: Writer<'w>,
) -> Writer<'w> {
    write_map(kind, annotations.as_map(), annotations.as_map().measure(), writer)
}

const fn descriptor(kind: SectionKind) -> [u8; DESCRIPTOR_LEN] {
    [Code::DESCRIBED, Code::SMALL_ULONG, kind.code()]
}

/// Returns the header of a message that is one data section.
#[inline]
pub(crate) fn data_head(octets: usize) -> Result<SmallVec<[u8; 8]>, EncodeError> {
    check_len(octets.saturating_add(DATA_HEAD))?;
    let mut head = [0; DATA_HEAD];
    let left = write_data_head(octets, Writer::new(&mut head)).left();
    let mut head = SmallVec::from_buf(head);
    head.truncate(DATA_HEAD - left);
    Ok(head)
}

/// Writes the header of a data section.
#[inline]
fn write_data_head(octets: usize, writer: Writer<'_>) -> Writer<'_> {
    let [a, b, c] = descriptor(SectionKind::Data);
    match u8::try_from(octets) {
        Ok(size) => writer.octets([a, b, c, Code::BINARY8, size]),
        Err(_) => writer.octets([a, b, c, Code::BINARY32]).size32(octets),
    }
}

#[inline(always)]
fn body_len(body: &Body) -> usize {
    match body {
        Body::Data(sections) if sections.len() == 1 => {
            sections.first().map_or(0, |octets| data_head_len(octets) + octets.len())
        }
        other => any_body_len(other),
    }
}

fn any_body_len(body: &Body) -> usize {
    let section = |value: usize| DESCRIPTOR_LEN + value;
    match body {
        Body::Empty => section(1),
        Body::Data(sections) if sections.is_empty() => section(Bytes::new().size()),
        Body::Data(sections) => sum(sections.iter().map(|octets| section(octets.size()))),
        Body::Sequence(sections) if sections.is_empty() => section(List::new().size()),
        Body::Sequence(sections) => sum(sections.iter().map(|list| section(list.size()))),
        Body::Value(value) => section(value.size()),
    }
}

/// Adds sizes up to the maximum. Sections may share a buffer, so the sum may exceed the address space.
fn sum(sizes: impl Iterator<Item = usize>) -> usize {
    sizes.fold(0, usize::saturating_add)
}

/// Writes a whole body that has no octets of data.
fn write_body<'w>(body: &Body, writer: Writer<'w>) -> Writer<'w> {
    fn section<'w>(kind: SectionKind, value: &impl Encode, writer: Writer<'w>) -> Writer<'w> {
        value.write(writer.octets(descriptor(kind)))
    }
    match body {
        Body::Empty => section(SectionKind::AmqpValue, &Value::Null, writer),
        Body::Data(_) => section(SectionKind::Data, &Bytes::new(), writer),
        Body::Sequence(sections) if sections.is_empty() => {
            section(SectionKind::AmqpSequence, &List::new(), writer)
        }
        Body::Sequence(sections) => {
            sections.iter().fold(writer, |writer, list| section(SectionKind::AmqpSequence, list, writer))
        }
        Body::Value(value) => section(SectionKind::AmqpValue, value, writer),
    }
}
