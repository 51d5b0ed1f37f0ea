//! Finds the sections of a message without decoding them.

use core::ops::Range;

use bytes::Bytes;

use super::payload::Payload;
use crate::codec::{
    Code, DESCRIPTOR_LEN, DecodeError, DecodeErrorKind, Descriptor, Fault, LimitKind, Width, skip, to_usize,
};
use crate::types::Limits;
use crate::wire::{SectionKind, section_of};

/// Where a section is: offsets into the payload. It begins where the one before it ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Section {
    value: u32,
    end: u32,
}

impl Section {
    /// Offsets fit, since no longer message is taken: see [`Finder::find`].
    fn new(value: usize, end: usize) -> Self {
        let fit = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { value: fit(value), end: fit(end) }
    }

    /// Its value begins here, behind its descriptor.
    #[inline]
    pub(super) fn value(self) -> usize {
        to_usize(self.value)
    }

    /// It ends before this.
    #[inline]
    pub(super) fn end(self) -> usize {
        to_usize(self.end)
    }
}

/// The octets that are enough to judge any descriptor of the standard, or any constructor with its size.
pub(super) const WINDOW: usize = 64;

/// Reads sections one after the other. Positions only grow, so each chunk is come to once.
#[derive(Clone)]
pub(super) struct Scanner<'a> {
    /// The rest of the chunk that is being read.
    chunk: &'a [u8],
    /// That chunk and those after it.
    chunks: &'a [Bytes],
    /// How many octets there are up to the end.
    left: usize,
    /// The offset of the end.
    end: usize,
}

impl<'a> Scanner<'a> {
    /// Reads the sections between two offsets, the first of which is the start of one.
    #[inline]
    pub(super) fn new(payload: &'a Payload, at: usize, end: usize) -> Self {
        let end = end.min(payload.len());
        let chunks = payload.chunks();
        let chunk = chunks.first().map_or(&[][..], |chunk| chunk);
        let mut scanner = Self { chunk, chunks, left: end, end };
        scanner.advance(at.min(end));
        scanner
    }

    /// The offset that is come to.
    #[inline]
    fn at(&self) -> usize {
        self.end - self.left
    }

    /// Moves on; the octets are known to be there.
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

    /// What there is from here on, up to the end: at least [`WINDOW`] octets if there are as many.
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

    /// Copies a window together from several chunks.
    #[cold]
    fn gather<'b>(&self, buffer: &'b mut [u8; WINDOW]) -> &'b [u8] {
        let later = self.chunks.iter().skip(1).flatten();
        let octets = self.chunk.iter().chain(later).take(self.left);
        let copied = buffer.iter_mut().zip(octets).map(|(place, octet)| *place = *octet).count();
        buffer.get(..copied).unwrap_or_default()
    }

    /// Returns the next section, `None` at the end.
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

    /// Moves on over octets that may not be there.
    #[inline]
    fn pass(&mut self, octets: usize) -> Result<(), DecodeError> {
        if octets > self.left {
            return Err(DecodeError::new(DecodeErrorKind::Truncated, self.at()));
        }
        self.advance(octets);
        Ok(())
    }

    /// Passes over one value, believing its size; descriptors cost no recursion.
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

    /// Returns a part of the message that lies ahead.
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

    /// Returns a part that lies in the chunk that is being read.
    #[inline]
    fn ahead(&self, part: &Range<usize>) -> Option<&'a [u8]> {
        let at = self.at();
        self.chunk.get(part.start.checked_sub(at)?..part.end.checked_sub(at)?)
    }

    /// One octet that lies ahead.
    pub(super) fn octet(&self, at: usize) -> Option<u8> {
        match self.chunk.get(at.checked_sub(self.at())?) {
            Some(octet) => Some(*octet),
            None => {
                self.slice(at..at.checked_add(1)?).chunks().first().and_then(|chunk| chunk.first().copied())
            }
        }
    }
}

/// Reads the descriptor at the front of a window: the section it means, and how long it is.
pub(super) fn described(window: &[u8]) -> Result<(SectionKind, usize), DecodeErrorKind> {
    // However the octets are cut, no more of them are looked at: a longer descriptor means no section.
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

/// Returns how many octets a value with this constructor takes, constructor included.
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

/// The sections of a message in one piece, read in place: what each is, and its value as it is encoded.
///
/// Nothing is decoded, and order and number are not checked; that is what
/// [`MessageView`](super::MessageView) is for. A fault ends the iteration after it is told.
///
/// ```
/// use amqp_proto::message::{Message, Sections};
/// use amqp_proto::wire::SectionKind;
///
/// let octets = Message::from("job").with_durable(true).to_payload()?.to_bytes();
/// let kinds: Vec<_> = Sections::new(&octets).map(|section| section.unwrap().0).collect();
/// assert_eq!(kinds, [SectionKind::Header, SectionKind::AmqpValue]);
/// # Ok::<(), amqp_proto::codec::EncodeError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sections<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Sections<'a> {
    /// Of a message in one piece.
    pub fn new(octets: &'a [u8]) -> Self {
        Self { whole: octets, rest: octets }
    }

    /// Returns the section at the front in the form that all writers use.
    #[inline]
    fn usual(&self) -> Option<(SectionKind, usize)> {
        let [Code::DESCRIBED, Code::SMALL_ULONG, code, constructor, sized @ ..] = self.rest else {
            return None;
        };
        Some((SectionKind::from_octet(*code)?, extent(*constructor, sized).ok()?))
    }

    /// Returns the section at the front in any form, and what follows it.
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

/// Where the sections of a message are.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// By [`place`]; a section that is not there is empty. Of body sections, the value of the first and the end
    /// of the last.
    sections: [Section; PLACES],
    body: Option<SectionKind>,
}

const PLACES: usize = SectionKind::ALL.len();

#[inline]
const fn place(kind: SectionKind) -> usize {
    kind as usize
}

impl Index {
    /// Finds all sections and checks their order and number [3.2].
    #[inline]
    pub(super) fn fill(&mut self, payload: &Payload, limits: &Limits) -> Result<(), DecodeError> {
        let mut finder = Finder { index: self, next: 0, left: limits.sections() };
        let at = match payload.chunks() {
            [chunk] => finder.find_usual(chunk),
            _ => 0,
        };
        if at < payload.len() { finder.find(payload, at) } else { Ok(()) }
    }

    /// Returns the section of this kind, or the span of body sections.
    #[inline]
    pub(super) fn get(&self, kind: SectionKind) -> Option<Section> {
        self.sections.get(place(kind)).copied().filter(|section| section.end > 0)
    }

    /// What the body sections are, and where.
    #[inline]
    pub(super) fn body(&self) -> Option<(SectionKind, Section)> {
        self.body.and_then(|kind| Some((kind, self.get(kind)?)))
    }

    /// Returns where a section begins: where the one before it ends.
    pub(super) fn begins(&self, section: Section) -> usize {
        let before = self.sections.iter().map(|other| other.end()).filter(|end| *end <= section.value());
        before.max().unwrap_or_default()
    }

    /// Returns where the sections end that may change on the way: header and annotations.
    pub(super) fn front_end(&self) -> usize {
        let front = self.sections.get(..place(SectionKind::Properties)).unwrap_or_default();
        front.iter().map(|section| section.end()).max().unwrap_or_default()
    }
}

/// Fills an [`Index`].
struct Finder<'i> {
    index: &'i mut Index,
    /// The first place that a section may take without being out of order.
    next: usize,
    left: u32,
}

impl Finder<'_> {
    /// Finds sections in a single chunk as long as they are what they mostly are: in the usual form, in order,
    /// one of each. Gives the offset of the first that is not.
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

    /// Finds sections of any form, and faults.
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
            // A footer before the body: against the grammar, but rhea writes it so.
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
