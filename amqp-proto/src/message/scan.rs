//! The search for the sections of a message, without decoding them.

use core::ops::Range;

use bytes::Bytes;

use super::payload::Payload;
use crate::codec::{
    Code, DESCRIPTOR_LEN, DecodeError, DecodeErrorKind, Descriptor, Fault, LimitKind, Width, skip, to_usize,
};
use crate::wire::{SectionKind, section_of};

/// The place of a section: offsets into the payload. A section begins at the end of the one before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Section {
    value: u32,
    end: u32,
}

impl Section {
    /// Returns a section with these offsets, which fit, since [`Finder::find`] refuses longer messages.
    fn new(value: usize, end: usize) -> Self {
        let fit = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { value: fit(value), end: fit(end) }
    }

    /// Returns the offset of the section's value, after its descriptor.
    #[inline]
    pub(super) fn value(self) -> usize {
        to_usize(self.value)
    }

    /// Returns the offset of the first octet after the section.
    #[inline]
    pub(super) fn end(self) -> usize {
        to_usize(self.end)
    }
}

/// The number of octets that are enough for any descriptor of the standard, and for any constructor with its
/// size.
pub(super) const WINDOW: usize = 64;

/// Reads sections one after the other. The position only grows, so each chunk is visited once.
#[derive(Clone)]
pub(super) struct Scanner<'a> {
    /// The rest of the current chunk.
    chunk: &'a [u8],
    /// The current chunk and the chunks after it.
    chunks: &'a [Bytes],
    /// The number of octets up to the end.
    left: usize,
    /// The offset of the end.
    end: usize,
}

impl<'a> Scanner<'a> {
    /// Returns a scanner of the sections between two offsets; the first is the start of a section.
    #[inline]
    pub(super) fn new(payload: &'a Payload, at: usize, end: usize) -> Self {
        let end = end.min(payload.len());
        let chunks = payload.chunks();
        let chunk = chunks.first().map_or(&[][..], |chunk| chunk);
        let mut scanner = Self { chunk, chunks, left: end, end };
        scanner.advance(at.min(end));
        scanner
    }

    /// Returns the current offset.
    #[inline]
    fn at(&self) -> usize {
        self.end - self.left
    }

    /// Moves the position forward over octets that exist.
    #[inline]
    fn advance(&mut self, octets: usize) {
        match self.chunk.get(octets..) {
            Some(rest @ [_, ..]) => {
                self.chunk = rest;
                self.left -= octets;
            }
            _ => self.next_chunk(octets),
        }
    }

    #[cold]
    fn next_chunk(&mut self, mut octets: usize) {
        self.left = self.left.saturating_sub(octets);
        while octets >= self.chunk.len() {
            octets -= self.chunk.len();
            let [_, rest @ ..] = self.chunks else { break };
            self.chunks = rest;
            self.chunk = rest.first().map_or(&[][..], |chunk| chunk);
            if rest.is_empty() {
                break;
            }
        }
        self.chunk = self.chunk.get(octets..).unwrap_or_default();
    }

    /// Returns the octets from the position on: at least [`WINDOW`] octets, or all up to the end.
    #[inline]
    fn window<'b>(&self, buffer: &'b mut [u8; WINDOW]) -> &'b [u8]
    where
        'a: 'b,
    {
        if self.chunk.len() < WINDOW && self.chunk.len() < self.left {
            return self.gather(buffer);
        }
        self.chunk.get(..self.left).unwrap_or(self.chunk)
    }

    /// Returns a window copied from several chunks.
    #[cold]
    fn gather<'b>(&self, buffer: &'b mut [u8; WINDOW]) -> &'b [u8] {
        let later = self.chunks.iter().skip(1).flatten();
        let octets = self.chunk.iter().chain(later).take(self.left);
        let copied = buffer.iter_mut().zip(octets).map(|(place, octet)| *place = *octet).count();
        buffer.get(..copied).unwrap_or_default()
    }

    /// Returns the next section, or `None` at the end.
    pub(super) fn section(&mut self) -> Result<Option<(SectionKind, Section)>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        let start = self.at();
        let mut buffer = [0; WINDOW];
        let (kind, descriptor) =
            described(self.window(&mut buffer)).map_err(|kind| DecodeError::new(kind, start))?;
        self.advance(descriptor);
        self.skip()?;
        Ok(Some((kind, Section::new(start + descriptor, self.at()))))
    }

    /// Moves the position forward over octets that may be missing.
    #[inline]
    fn pass(&mut self, octets: usize) -> Result<(), DecodeError> {
        if octets > self.left {
            return Err(DecodeError::new(DecodeErrorKind::Truncated, self.at()));
        }
        self.advance(octets);
        Ok(())
    }

    /// Skips one value by its size. Descriptors cost no recursion.
    fn skip(&mut self) -> Result<(), DecodeError> {
        let mut buffer = [0; WINDOW];
        let mut values = 1_usize;
        while values > 0 {
            let octets = match self.window(&mut buffer) {
                [Code::DESCRIBED, ..] => {
                    values += 1;
                    1
                }
                [code, rest @ ..] => {
                    values -= 1;
                    extent(*code, rest).map_err(|kind| DecodeError::new(kind, self.at()))?
                }
                [] => return Err(DecodeError::new(DecodeErrorKind::Truncated, self.at())),
            };
            self.pass(octets)?;
        }
        Ok(())
    }

    /// Returns a part of the message after the position.
    #[inline]
    pub(super) fn slice(&self, part: Range<usize>) -> Payload {
        if let ([source, ..], Some(wanted)) = (self.chunks, self.ahead(&part)) {
            return source.slice_ref(wanted).into();
        }
        let mut found = Payload::new();
        let mut rest = self.clone();
        rest.advance(part.start.saturating_sub(rest.at()).min(rest.left));
        while let [source, ..] = rest.chunks {
            let wanted = part.end.saturating_sub(rest.at()).min(rest.chunk.len());
            if wanted == 0 {
                break;
            }
            found.push(source.slice_ref(rest.chunk.get(..wanted).unwrap_or_default()));
            rest.advance(rest.chunk.len());
        }
        found
    }

    /// Returns a part that lies in the current chunk.
    #[inline]
    fn ahead(&self, part: &Range<usize>) -> Option<&'a [u8]> {
        let at = self.at();
        self.chunk.get(part.start.checked_sub(at)?..part.end.checked_sub(at)?)
    }

    /// Returns one octet after the position.
    pub(super) fn octet(&self, at: usize) -> Option<u8> {
        match self.chunk.get(at.checked_sub(self.at())?) {
            Some(octet) => Some(*octet),
            None => {
                self.slice(at..at.checked_add(1)?).chunks().first().and_then(|chunk| chunk.first().copied())
            }
        }
    }
}

/// Returns the offsets of the ends of a message's sections, up to the first octets that are no whole section.
pub(crate) fn section_ends(payload: &Payload) -> impl Iterator<Item = usize> + '_ {
    let mut scanner = Scanner::new(payload, 0, payload.len());
    core::iter::from_fn(move || scanner.section().ok()?.map(|(_, section)| section.end()))
}

/// Reads the descriptor at the front of a window, and returns the kind of section and the descriptor's
/// length.
pub(super) fn described(window: &[u8]) -> Result<(SectionKind, usize), DecodeErrorKind> {
    // The window is cut to a fixed length, so that the result does not depend on the chunks. A longer
    // descriptor names no section.
    let window = window.get(..WINDOW).unwrap_or(window);
    let [Code::DESCRIBED, rest @ ..] = window else {
        return Err(DecodeErrorKind::Expected("message section"));
    };
    let (value, descriptor) = Descriptor::parse(rest).map_err(|_| match window.len() {
        WINDOW => DecodeErrorKind::Descriptor,
        _ => DecodeErrorKind::Truncated,
    })?;
    let kind = section_of(descriptor).ok_or(DecodeErrorKind::Descriptor)?;
    Ok((kind, window.len() - value.len()))
}

/// Returns the length of a value with this constructor, constructor included.
#[inline]
pub(super) fn extent(code: u8, rest: &[u8]) -> Result<usize, DecodeErrorKind> {
    match (Code::width(code), rest) {
        (Width::Sized8, [size, ..]) => Ok(2 + usize::from(*size)),
        (Width::Sized32, [a, b, c, d, ..]) => {
            Ok(to_usize(u32::from_be_bytes([*a, *b, *c, *d])).saturating_add(5))
        }
        (Width::Fixed(octets), _) => Ok(1 + usize::from(octets)),
        (Width::Sized8 | Width::Sized32, _) => Err(DecodeErrorKind::Truncated),
        (Width::None, _) => Err(DecodeErrorKind::Constructor(code)),
    }
}

/// The sections of a message in one piece, read in place: the kind of each, and its encoded value.
///
/// Values are not decoded, and the order and number of the sections are not checked;
/// [`MessageView`](super::MessageView) does both. The iteration ends after the first error.
///
/// ```
/// use amqp_proto::message::{Message, Sections};
/// use amqp_proto::wire::SectionKind;
///
/// let message = Message::from("job").with_durable(true);
/// let octets = message.to_payload()?.to_bytes();
/// let kinds: Vec<_> =
///     Sections::new(&octets).map(|section| section.unwrap().0).collect();
/// assert_eq!(kinds, [SectionKind::Header, SectionKind::AmqpValue]);
/// # Ok::<(), amqp_proto::codec::EncodeError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sections<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Sections<'a> {
    /// Returns the sections of a message in one piece.
    pub fn new(octets: &'a [u8]) -> Self {
        Self { whole: octets, rest: octets }
    }

    /// Returns the next section if it has the form that all known writers use.
    #[inline]
    fn usual(&self) -> Option<(SectionKind, usize)> {
        let [Code::DESCRIBED, Code::SMALL_ULONG, code, constructor, sized @ ..] = self.rest else {
            return None;
        };
        Some((SectionKind::from_octet(*code)?, extent(*constructor, sized).ok()?))
    }

    /// Returns the next section in any form, and the octets after it.
    #[cold]
    fn unusual(&self) -> Result<(SectionKind, &'a [u8], &'a [u8]), DecodeError> {
        let at = self.whole.len() - self.rest.len();
        let (kind, descriptor) = described(self.rest).map_err(|kind| DecodeError::new(kind, at))?;
        let value = self.rest.get(descriptor..).unwrap_or_default();
        let after = skip(value).map_err(|error| Fault::settle(error, self.whole))?.0;
        Ok((kind, value.get(..value.len() - after.len()).unwrap_or_default(), after))
    }
}

impl<'a> Iterator for Sections<'a> {
    type Item = Result<(SectionKind, &'a [u8]), DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some((kind, extent)) = self.usual() {
            let value = self.rest.get(DESCRIPTOR_LEN..).unwrap_or_default();
            if let Some((value, rest)) = value.split_at_checked(extent) {
                self.rest = rest;
                return Some(Ok((kind, value)));
            }
        }
        let found = self.unusual();
        self.rest = found.as_ref().map_or(&[][..], |(_, _, rest)| rest);
        Some(found.map(|(kind, value, _)| (kind, value)))
    }
}

/// The places of the sections of a message.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// The sections, by [`place`]; an absent section is empty. The body's entry reaches from the value of the
    /// first body section to the end of the last.
    sections: [Section; PLACES],
    body: Option<SectionKind>,
}

const PLACES: usize = SectionKind::ALL.len();

#[inline]
const fn place(kind: SectionKind) -> usize {
    kind as usize
}

impl Index {
    /// Finds all sections, at most this number, and checks their order [3.2].
    #[inline]
    pub(super) fn fill(&mut self, payload: &Payload, most: u32) -> Result<(), DecodeError> {
        let mut finder = Finder { index: self, next: 0, left: most };
        let at = match payload.chunks() {
            [chunk] if !cfg!(feature = "small") => finder.find_usual(chunk),
            _ => 0,
        };
        if at < payload.len() { finder.find(payload, at) } else { Ok(()) }
    }

    /// Returns the section of this kind; of body sections, the span of all.
    #[inline]
    pub(super) fn get(&self, kind: SectionKind) -> Option<Section> {
        self.sections.get(place(kind)).copied().filter(|section| section.end > 0)
    }

    /// Returns the kind and the span of the body sections.
    #[inline]
    pub(super) fn body(&self) -> Option<(SectionKind, Section)> {
        self.body.and_then(|kind| Some((kind, self.get(kind)?)))
    }

    /// Returns the offset of a section, which is the end of the one before it.
    pub(super) fn begins(&self, section: Section) -> usize {
        let before = self.sections.iter().map(|other| other.end()).filter(|end| *end <= section.value());
        before.max().unwrap_or_default()
    }

    /// Returns the end of the sections that may change on the way: header and annotations.
    pub(super) fn front_end(&self) -> usize {
        let front = self.sections.get(..place(SectionKind::Properties)).unwrap_or_default();
        front.iter().map(|section| section.end()).max().unwrap_or_default()
    }
}

/// Fills an [`Index`].
struct Finder<'i> {
    index: &'i mut Index,
    /// The first place that the next section may have without being out of order.
    next: usize,
    left: u32,
}

impl Finder<'_> {
    /// Finds sections of the usual form in a single chunk: in order, and one of each.
    ///
    /// Returns the offset of the first section that is not of the usual form.
    #[inline]
    fn find_usual(&mut self, octets: &[u8]) -> usize {
        let Ok(len) = u32::try_from(octets.len()) else { return 0 };
        let mut rest = octets;
        let mut at = 0;
        while let [Code::DESCRIBED, Code::SMALL_ULONG, code, constructor, sized @ ..] = rest {
            let (Some(kind), Ok(extent)) = (SectionKind::from_octet(*code), extent(*constructor, sized))
            else {
                break;
            };
            let Some(tail) = rest.get(DESCRIPTOR_LEN + extent..) else { break };
            if self.left == 0 || place(kind) < self.next {
                break;
            }
            let value = at + 3;
            at = u32::try_from(octets.len() - tail.len()).unwrap_or(len);
            self.set(kind, Section { value, end: at });
            rest = tail;
        }
        octets.len() - rest.len()
    }

    #[inline]
    fn set(&mut self, kind: SectionKind, section: Section) {
        if let Some(slot) = self.index.sections.get_mut(place(kind)) {
            *slot = section;
        }
        self.next = if is_body(kind) {
            self.index.body = Some(kind);
            place(SectionKind::Footer)
        } else {
            place(kind) + 1
        };
        self.left -= 1;
    }

    /// Finds sections of any form, and reports faults.
    #[cold]
    fn find(&mut self, payload: &Payload, mut at: usize) -> Result<(), DecodeError> {
        if u32::try_from(payload.len()).is_err() {
            return Err(DecodeError::new(DecodeErrorKind::Limit(LimitKind::ValueOctets), 0));
        }
        let mut scanner = Scanner::new(payload, at, payload.len());
        while let Some((kind, section)) = scanner.section()? {
            self.add(kind, section).map_err(|kind| DecodeError::new(kind, at))?;
            at = section.end();
        }
        Ok(())
    }

    fn add(&mut self, kind: SectionKind, section: Section) -> Result<(), DecodeErrorKind> {
        if self.left == 0 {
            return Err(DecodeErrorKind::Limit(LimitKind::Sections));
        }
        let (body, footer) = (self.index.body(), self.index.get(SectionKind::Footer));
        match body {
            Some((_, first)) if footer.is_some_and(|footer| footer.end > first.value) => {
                return Err(DecodeErrorKind::SectionOrder);
            }
            Some((own, first)) if is_body(kind) => match kind {
                SectionKind::Data | SectionKind::AmqpSequence if own == kind => {
                    self.set(kind, Section { value: first.value, end: section.end });
                }
                _ => return Err(DecodeErrorKind::BodyMix),
            },
            // A footer before the body: against the grammar, but rhea writes messages in this order.
            None if is_body(kind) && footer.is_some() => self.set(kind, section),
            _ if place(kind) >= self.next => self.set(kind, section),
            _ => return Err(DecodeErrorKind::SectionOrder),
        }
        if footer.is_some() {
            self.next = PLACES;
        }
        Ok(())
    }
}

const fn is_body(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::Data | SectionKind::AmqpSequence | SectionKind::AmqpValue)
}
