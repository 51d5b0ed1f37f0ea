//! Finds the sections of a message without decoding them.

use core::ops::Range;

use bytes::Bytes;

use super::payload::Payload;
use crate::codec::{Code, DecodeError, DecodeErrorKind, Descriptor, LimitKind, Width};
use crate::types::Limits;
use crate::wire::{SectionKind, section_of};

/// Where a section is: offsets into the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Section {
    /// Its descriptor begins here.
    pub(super) start: usize,
    /// Its value begins here.
    pub(super) value: usize,
    /// It ends before this.
    pub(super) end: usize,
}

/// The octets that are enough to judge any descriptor of the standard, or any constructor with its size.
const WINDOW: usize = 64;

/// Reads sections one after the other. Positions only grow, so each chunk is come to once.
#[derive(Clone)]
pub(super) struct Scanner<'a> {
    chunks: &'a [Bytes],
    /// The offset of the first of `chunks`.
    base: usize,
    at: usize,
    end: usize,
}

impl<'a> Scanner<'a> {
    /// Reads the sections between two offsets, the first of which is the start of one.
    pub(super) fn new(payload: &'a Payload, at: usize, end: usize) -> Self {
        Self { chunks: payload.chunks(), base: 0, at, end }
    }

    /// The next section, `None` at the end.
    #[inline]
    pub(super) fn section(&mut self) -> Result<Option<(SectionKind, Section)>, DecodeError> {
        if self.at >= self.end {
            return Ok(None);
        }
        let start = self.at;
        let mut buffer = [0; WINDOW];
        let (kind, descriptor) = match self.window(&mut buffer) {
            [Code::DESCRIBED, Code::SMALL_ULONG, code, ..] => (SectionKind::from_code(u64::from(*code)), 3),
            [Code::DESCRIBED, rest @ ..] => match Descriptor::parse(rest) {
                Ok((after, descriptor)) => (section_of(descriptor), 1 + rest.len() - after.len()),
                Err(_) => return Err(DecodeError::new(DecodeErrorKind::Truncated, start)),
            },
            _ => return Err(DecodeError::new(DecodeErrorKind::Expected("message section"), start)),
        };
        let Some(kind) = kind else { return Err(DecodeError::new(DecodeErrorKind::Descriptor, start)) };
        self.at += descriptor;
        let value = self.at;
        self.skip()?;
        Ok(Some((kind, Section { start, value, end: self.at })))
    }

    /// A part of the message that lies ahead, looked for from here and not from the start.
    pub(super) fn slice(&self, part: Range<usize>) -> Payload {
        let mut found = Payload::new();
        let mut base = self.base;
        for chunk in self.chunks {
            if base >= part.end {
                break;
            }
            let from = part.start.saturating_sub(base).min(chunk.len());
            let to = part.end.saturating_sub(base).min(chunk.len());
            if from < to {
                found.push(chunk.slice(from..to));
            }
            base += chunk.len();
        }
        found
    }

    /// One octet that lies ahead.
    pub(super) fn octet(&self, at: usize) -> Option<u8> {
        self.slice(at..at.checked_add(1)?).chunks().first().and_then(|chunk| chunk.first().copied())
    }

    /// Passes over one value, believing its size; descriptors cost no recursion.
    #[inline]
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
                    extent(*code, rest).map_err(|kind| DecodeError::new(kind, self.at))?
                }
                [] => return Err(DecodeError::new(DecodeErrorKind::Truncated, self.at)),
            };
            match self.at.checked_add(octets) {
                Some(after) if after <= self.end => self.at = after,
                _ => return Err(DecodeError::new(DecodeErrorKind::Truncated, self.at)),
            }
        }
        Ok(())
    }

    /// What there is from here on: at least [`WINDOW`] octets, or all that are left.
    #[inline]
    fn window<'b>(&mut self, buffer: &'b mut [u8; WINDOW]) -> &'b [u8]
    where
        'a: 'b,
    {
        while let [chunk, rest @ ..] = self.chunks {
            let inside = self.at - self.base;
            if let Some(octets @ [_, ..]) = chunk.get(inside..) {
                let octets = octets.get(..self.end - self.at).unwrap_or(octets);
                if octets.len() >= WINDOW || octets.len() == self.end - self.at {
                    return octets;
                }
                return self.gather(buffer);
            }
            self.base += chunk.len();
            self.chunks = rest;
        }
        &[]
    }

    /// Copies a window together from several chunks.
    #[cold]
    fn gather<'b>(&self, buffer: &'b mut [u8; WINDOW]) -> &'b [u8] {
        let wanted = WINDOW.min(self.end - self.at);
        let octets = self.chunks.iter().flatten().skip(self.at - self.base).take(wanted);
        let copied = buffer.iter_mut().zip(octets).map(|(place, octet)| *place = *octet).count();
        buffer.get(..copied).unwrap_or_default()
    }
}

/// How many octets a value with this constructor takes, constructor included.
#[inline]
fn extent(code: u8, rest: &[u8]) -> Result<usize, DecodeErrorKind> {
    if Code::kind(code).is_none() {
        return Err(DecodeErrorKind::Constructor(code));
    }
    match (Code::width(code), rest) {
        (Width::Fixed(octets), _) => Ok(1 + usize::from(octets)),
        (Width::Sized8, [size, ..]) => Ok(2 + usize::from(*size)),
        (Width::Sized32, [a, b, c, d, ..]) => {
            let size = u32::from_be_bytes([*a, *b, *c, *d]);
            Ok(usize::try_from(size).unwrap_or(usize::MAX).saturating_add(5))
        }
        (Width::None, _) => Err(DecodeErrorKind::Constructor(code)),
        _ => Err(DecodeErrorKind::Truncated),
    }
}

/// Where the sections of a message are.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    pub(super) header: Option<Section>,
    pub(super) delivery_annotations: Option<Section>,
    pub(super) message_annotations: Option<Section>,
    pub(super) properties: Option<Section>,
    pub(super) application_properties: Option<Section>,
    /// What the body sections are, and where: from the start of the first to the end of the last.
    pub(super) body: Option<(SectionKind, Section)>,
    pub(super) footer: Option<Section>,
}

impl Index {
    /// Finds all sections and checks their order and number (M-SEC-01, M-SEC-02, M-SEC-06).
    pub(super) fn of(payload: &Payload, limits: &Limits) -> Result<Self, DecodeError> {
        let mut index = Self::default();
        let mut scanner = Scanner::new(payload, 0, payload.len());
        let mut last = None;
        let mut left = limits.sections();
        while let Some((kind, section)) = scanner.section()? {
            left = left
                .checked_sub(1)
                .ok_or(DecodeError::new(DecodeErrorKind::Limit(LimitKind::Sections), section.start))?;
            match last {
                Some(before) if before >= kind => index.another(before, kind, section)?,
                Some(before) if is_body(before) && is_body(kind) => {
                    return Err(DecodeError::new(DecodeErrorKind::BodyMix, section.start));
                }
                _ => index.place(kind, section),
            }
            last = Some(kind);
        }
        Ok(index)
    }

    #[inline]
    fn place(&mut self, kind: SectionKind, section: Section) {
        match kind {
            SectionKind::Header => self.header = Some(section),
            SectionKind::DeliveryAnnotations => self.delivery_annotations = Some(section),
            SectionKind::MessageAnnotations => self.message_annotations = Some(section),
            SectionKind::Properties => self.properties = Some(section),
            SectionKind::ApplicationProperties => self.application_properties = Some(section),
            SectionKind::Data | SectionKind::AmqpSequence | SectionKind::AmqpValue => {
                self.body = Some((kind, section));
            }
            SectionKind::Footer => self.footer = Some(section),
        }
    }

    /// A section that does not come after the one before it: data and sequences may repeat, nothing else.
    fn another(
        &mut self,
        before: SectionKind,
        kind: SectionKind,
        section: Section,
    ) -> Result<(), DecodeError> {
        match &mut self.body {
            Some((own, body)) if *own == kind && before == kind && kind != SectionKind::AmqpValue => {
                body.end = section.end;
                Ok(())
            }
            _ if is_body(before) && is_body(kind) => {
                Err(DecodeError::new(DecodeErrorKind::BodyMix, section.start))
            }
            _ => Err(DecodeError::new(DecodeErrorKind::SectionOrder, section.start)),
        }
    }
}

fn is_body(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::Data | SectionKind::AmqpSequence | SectionKind::AmqpValue)
}
