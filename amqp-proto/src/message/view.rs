//! [`MessageView`]: a received message, its sections found but not decoded.

use alloc::boxed::Box;
use core::ops::Range;

use bytes::{Bytes, BytesMut};

use super::body::Body;
use super::message::Message;
use super::payload::Payload;
use super::scan::{Index, Scanner, Section};
use super::write::{annotations_len, write_annotations};
use crate::codec::{
    Budget, Code, Composite, Decode, DecodeError, DecodeErrorKind, Decoder, EncodeError, Fault, Parsed, fail,
    fill, find_entry, octet, plain_entry, to_usize,
};
use crate::types::{Annotations, ApplicationProperties, DecodingLimits, Limits, Many, Str, Value};
use crate::wire::{Header, Properties, SectionKind};

/// A received message: its octets and the places of its sections.
///
/// The constructor finds the sections and checks their order and number. Each method decodes its section when
/// it is called. Text and octets share the buffers in which the message arrived. The offset in an error
/// counts from the first octet of the message.
///
/// ```
/// use amqp_proto::codec::Entries;
/// use amqp_proto::message::{Message, MessageView};
/// use amqp_proto::types::Limits;
/// use amqp_proto::wire::SectionKind;
///
/// let message = Message::from("job-content").with_property("tenant", "acme");
/// let view = MessageView::new(message.to_payload()?, &Limits::DEFAULT)?;
/// assert_eq!(view.body()?.as_str(), Some("job-content"));
///
/// // In place, without allocation:
/// let kind = SectionKind::ApplicationProperties;
/// let section = view.section(kind).unwrap();
/// let (key, value) = Entries::new(&section)?.next().unwrap()?;
/// assert_eq!(key.as_str(), Some("tenant"));
/// assert_eq!(value.as_str(), Some("acme"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MessageView {
    payload: Payload,
    index: Index,
    limits: DecodingLimits,
}

impl MessageView {
    /// Finds the sections of a message of up to 4 GiB.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the octets are not message sections in the standard's order, or if a limit is
    /// exceeded.
    #[inline]
    pub fn new(payload: impl Into<Payload>, limits: &Limits) -> Result<Self, DecodeError> {
        Self::within(payload.into(), limits.of_decoding())
    }

    /// Finds the sections of a message, as [`new`](Self::new).
    #[inline]
    pub(crate) fn within(payload: Payload, limits: DecodingLimits) -> Result<Self, DecodeError> {
        let mut view = Self { payload, index: Index::default(), limits };
        view.index.fill(&view.payload, limits.sections)?;
        Ok(view)
    }

    /// Returns the octets of the message.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Returns the header, or the default header if the message has none [3.2.1].
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the section is malformed.
    pub fn header(&self) -> Result<Header, DecodeError> {
        self.read(SectionKind::Header, &mut self.budget(), Header::decode_list)
    }

    /// Returns the annotations for the next hop only.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the section is malformed.
    pub fn delivery_annotations(&self) -> Result<Annotations, DecodeError> {
        self.read(SectionKind::DeliveryAnnotations, &mut self.budget(), value)
    }

    /// Returns the annotations for the whole way.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the section is malformed.
    pub fn message_annotations(&self) -> Result<Annotations, DecodeError> {
        self.read(SectionKind::MessageAnnotations, &mut self.budget(), value)
    }

    /// Returns the properties, or default properties if the message has none.
    ///
    /// [`message_id`](Self::message_id), [`to`](Self::to) and so on read one of them, which takes less time.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the section is malformed.
    pub fn properties(&self) -> Result<Properties, DecodeError> {
        self.read(SectionKind::Properties, &mut self.budget(), Properties::decode_list)
    }

    /// Returns the application-properties.
    ///
    /// [`property`](Self::property) reads one of them without allocation.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the section is malformed.
    pub fn application_properties(&self) -> Result<ApplicationProperties, DecodeError> {
        self.read(SectionKind::ApplicationProperties, &mut self.budget(), value)
    }

    /// Returns the application-property with this name; without one, `None`.
    ///
    /// Only this value is decoded. The entries before it are skipped, and neither they nor the ones after it are
    /// checked; [`application_properties`](Self::application_properties) checks all.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the section or an entry up to the property is malformed.
    ///
    /// # Examples
    ///
    /// ```
    /// use amqp_proto::message::{Message, MessageView};
    /// use amqp_proto::types::Limits;
    ///
    /// let sent = Message::from("job").with_property("attempt", 3);
    /// let view = MessageView::new(sent.to_payload()?, &Limits::DEFAULT)?;
    /// let attempt = view.property("attempt")?.and_then(|n| n.as_i64());
    /// assert_eq!(attempt, Some(3));
    /// assert_eq!(view.property("tenant")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn property(&self, name: &str) -> Result<Option<Value>, DecodeError> {
        self.entry(SectionKind::ApplicationProperties, name)
    }

    /// Returns the annotation for the whole way whose key is a symbol with this text; without one, `None`.
    ///
    /// Only this value is decoded, as by [`property`](Self::property).
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the section or an entry up to the annotation is malformed.
    pub fn annotation(&self, name: &str) -> Result<Option<Value>, DecodeError> {
        self.entry(SectionKind::MessageAnnotations, name)
    }

    /// Decodes one value of a map.
    fn entry(&self, section: SectionKind, name: &str) -> Result<Option<Value>, DecodeError> {
        if let [chunk] = self.payload.chunks()
            && let Some(span) = self.index.get(section)
            && let Some(map) = chunk.get(span.value()..span.end())
            && let Some(found) =
                plain_entry(map, name, &Decoder::with_budget(chunk, self.limits, self.budget()))
        {
            return Ok(found);
        }
        self.read(section, &mut self.budget(), |decoder, input| {
            let found = find_entry(name, input)?;
            let value = found.map(|octets| value(decoder, octets)).transpose()?.map(|(_, value)| value);
            Ok((input.split_at(input.len()).1, value))
        })
    }

    /// Returns the footer.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the section is malformed.
    pub fn footer(&self) -> Result<Annotations, DecodeError> {
        self.read(SectionKind::Footer, &mut self.budget(), value)
    }

    /// Returns the form of the body, or `None` if the message has no body [3.2].
    pub fn body_kind(&self) -> Option<SectionKind> {
        self.index.body().map(|(kind, _)| kind)
    }

    /// Returns the body.
    ///
    /// Data of several frames is copied into one buffer; [`data`](Self::data) does not copy.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the body is malformed.
    pub fn body(&self) -> Result<Body, DecodeError> {
        self.read_body(&mut self.budget())
    }

    /// Returns the text of the body: a string, or octets that are UTF-8. `None` if the body is neither.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the body is malformed.
    pub fn text(&self) -> Result<Option<Str>, DecodeError> {
        Ok(self.body()?.text())
    }

    /// Returns the octets of the body: data, a binary value or a string. `None` if the body is none of them.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the data or the value is malformed. Sequences are not read.
    pub fn bytes(&self) -> Result<Option<Bytes>, DecodeError> {
        match self.body_kind() {
            Some(SectionKind::Data) => Ok(self.data()?.map(|data| data.to_bytes())),
            Some(kind @ SectionKind::AmqpValue) => {
                Ok(Body::Value(self.read(kind, &mut self.budget(), value)?).bytes())
            }
            _ => Ok(None),
        }
    }

    /// Returns the octets of all data sections, without a copy; `None` if the body is not data.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the body is malformed.
    pub fn data(&self) -> Result<Option<Payload>, DecodeError> {
        let Some((SectionKind::Data, span)) = self.index.body() else { return Ok(None) };
        if let Some(octets) = self.only_data(span) {
            return Ok(Some(octets.into()));
        }
        let mut sections = self.body_scanner(span);
        let mut data = Payload::new();
        loop {
            let here = sections.clone();
            let Some((_, section)) = sections.section()? else { return Ok(Some(data)) };
            data.append(data_section(&here, section)?);
        }
    }

    /// Returns the octets of the body if it is one data section in one chunk, the usual case.
    #[inline]
    fn only_data(&self, span: Section) -> Option<Bytes> {
        let [chunk] = self.payload.chunks() else { return None };
        let (size, octets) = match chunk.get(span.value()..span.end())? {
            [Code::BINARY8, size, octets @ ..] => (usize::from(*size), octets),
            [Code::BINARY32, a, b, c, d, octets @ ..] => {
                (to_usize(u32::from_be_bytes([*a, *b, *c, *d])), octets)
            }
            _ => return None,
        };
        (size == octets.len()).then(|| chunk.slice_ref(octets))
    }

    /// Returns the encoded value of a section, to be read in place by [`Entries`](crate::codec::Entries) or
    /// [`ValueRef`](crate::codec::ValueRef). Of several body sections, returns the first.
    ///
    /// The result shares the message's buffer. Only a section of several frames is copied.
    pub fn section(&self, kind: SectionKind) -> Option<Bytes> {
        let section = match (kind, self.index.body()) {
            (SectionKind::Data | SectionKind::AmqpSequence | SectionKind::AmqpValue, body) => {
                let (_, span) = body.filter(|(own, _)| *own == kind)?;
                self.body_scanner(span).section().ok()??.1
            }
            _ => self.index.get(kind)?,
        };
        Some(match self.payload.chunks() {
            [chunk] => chunk.slice(section.value()..section.end()),
            _ => self.payload.slice(section.value()..section.end()).to_bytes(),
        })
    }

    /// Decodes all sections.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if a section is malformed.
    pub fn to_message(&self) -> Result<Message, DecodeError> {
        let budget = &mut self.budget();
        let properties = self.read(SectionKind::Properties, budget, |decoder, input| {
            Properties::decode_list(decoder, input).map(|(rest, own)| (rest, Some(Box::new(own))))
        })?;
        Ok(Message {
            header: self.read(SectionKind::Header, budget, Header::decode_list)?,
            delivery_annotations: self.read(SectionKind::DeliveryAnnotations, budget, value)?,
            message_annotations: self.read(SectionKind::MessageAnnotations, budget, value)?,
            properties,
            application_properties: self.read(SectionKind::ApplicationProperties, budget, value)?,
            body: self.read_body(budget)?,
            footer: self.read(SectionKind::Footer, budget, value)?,
        })
    }

    /// Returns the message with other sections in front of its bare message.
    ///
    /// The octets of the bare message and the footer stay as they are and are shared [3.2].
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLarge`] if the result exceeds 4 GiB.
    ///
    /// # Examples
    ///
    /// ```
    /// use amqp_proto::message::{Message, MessageView, Rewrite};
    /// use amqp_proto::{symbol, types::{Annotations, Limits}};
    ///
    /// let received = Message::from("job").to_payload()?;
    /// let view = MessageView::new(received, &Limits::DEFAULT)?;
    /// let hops: Annotations =
    ///     [(symbol!("x-opt-hops"), 1)].into_iter().collect();
    /// let rewrite =
    ///     Rewrite { message_annotations: Some(hops), ..Rewrite::default() };
    ///
    /// let sent = view.rewrite(&rewrite)?;
    /// let sent = MessageView::new(sent, &Limits::DEFAULT)?;
    /// let annotations = sent.message_annotations()?;
    /// assert_eq!(annotations.get("x-opt-hops").unwrap().as_i64(), Some(1));
    /// assert_eq!(sent.body()?.as_str(), Some("job"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rewrite(&self, rewrite: &Rewrite) -> Result<Payload, EncodeError> {
        let mut front = BytesMut::new();
        match &rewrite.header {
            Some(header) if *header == Header::default() => {}
            Some(header) => header.encode(&mut front)?,
            None => self.copy(SectionKind::Header, &mut front),
        }
        for (kind, new) in [
            (SectionKind::DeliveryAnnotations, &rewrite.delivery_annotations),
            (SectionKind::MessageAnnotations, &rewrite.message_annotations),
        ] {
            match new {
                Some(annotations) => fill(&mut front, annotations_len(annotations), |writer| {
                    write_annotations(kind, annotations, writer)
                }),
                None => self.copy(kind, &mut front),
            }
        }
        let mut payload = Payload::from(front.freeze());
        payload.append(self.payload.slice(self.bare_start()..self.payload.len()));
        Ok(payload)
    }

    /// Returns the octets of the bare message, shared: properties, application-properties and body, which no
    /// intermediary changes [3.2].
    pub fn bare_message(&self) -> Payload {
        let (start, end) = (self.bare_start(), self.payload.len());
        let Some(footer) = self.index.get(SectionKind::Footer) else { return self.payload.slice(start..end) };
        // A footer before the body splits the bare message.
        let mut bare = self.payload.slice(start..self.index.begins(footer).max(start));
        bare.append(self.payload.slice(footer.end().max(start)..end));
        bare
    }

    /// Returns the end of the sections that may change on the way.
    fn bare_start(&self) -> usize {
        self.index.front_end()
    }

    /// Returns a scanner of the body sections.
    fn body_scanner(&self, span: Section) -> Scanner<'_> {
        Scanner::new(&self.payload, self.index.begins(span), span.end())
    }

    fn copy(&self, kind: SectionKind, out: &mut BytesMut) {
        if let Some(section) = self.index.get(kind) {
            let octets = self.payload.slice(self.index.begins(section)..section.end());
            octets.chunks().iter().for_each(|chunk| out.extend_from_slice(chunk));
        }
    }

    /// Returns a scanner of the whole message.
    fn start(&self) -> Scanner<'_> {
        Scanner::new(&self.payload, 0, self.payload.len())
    }

    /// Returns the budget of decoding one section, or of decoding the whole message.
    pub(super) fn budget(&self) -> Budget {
        Budget::of(self.limits)
    }

    fn read_body(&self, budget: &mut Budget) -> Result<Body, DecodeError> {
        let Some((kind, span)) = self.index.body() else { return Ok(Body::Empty) };
        if kind == SectionKind::Data
            && let Some(octets) = self.only_data(span)
        {
            return Ok(Body::from(octets));
        }
        let mut sections = self.body_scanner(span);
        let mut body = match kind {
            SectionKind::Data => Body::Data(Many::new()),
            SectionKind::AmqpSequence => Body::Sequence(Many::new()),
            _ => return Ok(Body::Value(self.read(kind, budget, value)?)),
        };
        loop {
            let here = sections.clone();
            let Some((_, section)) = sections.section()? else { return Ok(body) };
            match &mut body {
                Body::Data(data) => data.push(data_section(&here, section)?.to_bytes()),
                Body::Sequence(lists) => lists.push(self.read_section(&here, section, budget, value)?),
                Body::Empty | Body::Value(_) => {}
            }
        }
    }

    /// Decodes a section, or returns the default for an absent one.
    #[inline(always)]
    pub(super) fn read<T: Default>(
        &self,
        kind: SectionKind,
        budget: &mut Budget,
        parser: impl for<'a> FnOnce(&mut Decoder<'a>, &'a [u8]) -> Parsed<'a, T>,
    ) -> Result<T, DecodeError> {
        match self.index.get(kind) {
            Some(section) => self.read_section(&self.start(), section, budget, parser),
            None => Ok(T::default()),
        }
    }

    /// Decodes a section in place, or a copy of it if it lies in several chunks.
    #[inline]
    fn read_section<T>(
        &self,
        here: &Scanner<'_>,
        section: Section,
        budget: &mut Budget,
        parser: impl for<'a> FnOnce(&mut Decoder<'a>, &'a [u8]) -> Parsed<'a, T>,
    ) -> Result<T, DecodeError> {
        let part = section.value()..section.end();
        match self.payload.chunks() {
            [chunk] => self.run(chunk, part, budget, parser),
            _ => {
                let octets = here.slice(part).to_bytes();
                let all = 0..octets.len();
                self.run(&octets, all, budget, parser).map_err(|error| error.shifted(section.value()))
            }
        }
    }

    /// Runs a parser over a part of a chunk. Octets left over are an error.
    #[inline]
    fn run<T>(
        &self,
        chunk: &Bytes,
        part: Range<usize>,
        budget: &mut Budget,
        parser: impl for<'a> FnOnce(&mut Decoder<'a>, &'a [u8]) -> Parsed<'a, T>,
    ) -> Result<T, DecodeError> {
        let input = chunk.get(part).unwrap_or_default();
        let mut decoder = Decoder::with_budget(chunk, self.limits, *budget);
        let parsed = parser(&mut decoder, input);
        *budget = decoder.budget();
        match parsed {
            Ok(([], value)) => Ok(value),
            Ok((rest, _)) => Err(Fault::settle(fail(rest, DecodeErrorKind::Trailing), chunk)),
            Err(error) => Err(Fault::settle(error, chunk)),
        }
    }
}

impl Message {
    /// Decodes all sections of a received message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the octets are not a message, a section is malformed, or a limit is exceeded.
    pub fn decode(payload: impl Into<Payload>, limits: &Limits) -> Result<Self, DecodeError> {
        MessageView::new(payload, limits)?.to_message()
    }
}

/// Returns the octets of the data section at the scanner. Their header has one of two lengths.
fn data_section(here: &Scanner<'_>, section: Section) -> Result<Payload, DecodeError> {
    let skip = match here.octet(section.value()) {
        Some(Code::BINARY8) => 2,
        Some(Code::BINARY32) => 5,
        _ => return Err(DecodeError::new(DecodeErrorKind::Expected("binary"), section.value())),
    };
    Ok(here.slice(section.value() + skip..section.end()))
}

/// Reads a value of type `T`, constructor included.
fn value<'a, T: Decode>(decoder: &mut Decoder<'a>, input: &'a [u8]) -> Parsed<'a, T> {
    let (rest, code) = octet(input)?;
    T::decode(decoder, code, rest)
}

/// The sections that [`MessageView::rewrite`] replaces; `None` keeps the section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// The new header; the default header omits the section.
    pub header: Option<Header>,
    /// The new delivery-annotations; empty annotations omit the section.
    pub delivery_annotations: Option<Annotations>,
    /// The new message-annotations; empty annotations omit the section.
    pub message_annotations: Option<Annotations>,
}
