//! [`DataSections`]: extracts the data of a body from a message that arrives in pieces.

use alloc::vec::Vec;

use bytes::Bytes;

use super::payload::Payload;
use super::scan::{WINDOW, described, extent};
use crate::codec::{Code, DecodeError, DecodeErrorKind, to_usize};
use crate::wire::SectionKind;

/// Extracts the octets of the data sections [3.2.6] from a message that arrives in pieces, and drops all
/// other sections.
///
/// Octets are returned as they arrive, without a copy, wherever the message is cut. The order and the number
/// of the sections are not checked; [`MessageView`](super::MessageView) checks them in a complete message.
///
/// ```
/// use amqp_proto::message::{DataSections, Message};
///
/// let message = Message::from(b"a long body".to_vec()).with_durable(true);
/// let octets = message.to_payload()?.to_bytes();
/// let cut = octets.len() - 4;
/// let (begin, end) = (octets.slice(..cut), octets.slice(cut..));
///
/// let mut sections = DataSections::new();
/// assert_eq!(sections.push(begin.into())?.to_bytes(), "a long ");
/// assert_eq!(sections.push(end.into())?.to_bytes(), "body");
/// sections.finish()?;
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct DataSections {
    /// The first octets of a section, while they are too few to tell its kind and length.
    head: Vec<u8>,
    /// The number of octets that the section still lacks.
    left: usize,
    is_data: bool,
    /// The number of octets consumed so far.
    at: usize,
}

impl DataSections {
    /// Returns an extractor for a new message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Consumes the next octets of the message, and returns the data among them, which may be empty.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the octets are no message section, or if the body is a value or a sequence.
    pub fn push(&mut self, part: Payload) -> Result<Payload, DecodeError> {
        let mut data = Payload::new();
        for chunk in part.chunks() {
            let mut rest = chunk.clone();
            while !rest.is_empty() {
                match self.left {
                    0 => rest = self.begin(rest, &mut data)?,
                    _ => rest = self.pass(rest, &mut data),
                }
            }
        }
        Ok(data)
    }

    /// Checks that the message ended at the end of a section.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] of kind [`Truncated`](DecodeErrorKind::Truncated) if the last section is incomplete.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.left == 0 && self.head.is_empty() {
            true => Ok(()),
            false => Err(DecodeError::new(DecodeErrorKind::Truncated, self.at)),
        }
    }

    /// Returns or drops octets of a section, and returns the octets after the section.
    fn pass(&mut self, mut octets: Bytes, data: &mut Payload) -> Bytes {
        let of_section = octets.split_to(self.left.min(octets.len()));
        self.left -= of_section.len();
        self.at += of_section.len();
        if self.is_data {
            data.push(of_section);
        }
        octets
    }

    /// Collects octets until the section's kind and length are known, and returns the octets after that.
    fn begin(&mut self, mut octets: Bytes, data: &mut Payload) -> Result<Bytes, DecodeError> {
        let kept = self.head.len();
        let added = octets.len().min(WINDOW - kept);
        self.head.extend_from_slice(octets.get(..added).unwrap_or_default());
        let Some((start, left, is_data)) = self.judge()? else {
            return Ok(octets.split_off(added));
        };
        self.head.clear();
        // The constructor of a dropped section may be among the kept octets.
        let dropped = kept.saturating_sub(start);
        (self.left, self.is_data) = (left.saturating_sub(dropped), is_data);
        self.at += start + dropped;
        let rest = octets.split_off(start.saturating_sub(kept).min(octets.len()));
        Ok(if self.left == 0 { rest } else { self.pass(rest, data) })
    }

    /// Returns the offset of the section's content, its length, and whether it is data; `None` if octets are
    /// missing.
    fn judge(&self) -> Result<Option<(usize, usize, bool)>, DecodeError> {
        let judged = described(&self.head).and_then(|(kind, value)| {
            let [code, size @ ..] = self.head.get(value..).unwrap_or_default() else {
                return Err(DecodeErrorKind::Truncated);
            };
            match (kind, *code, size) {
                (SectionKind::AmqpValue | SectionKind::AmqpSequence, ..) => {
                    Err(DecodeErrorKind::Expected("data section"))
                }
                (SectionKind::Data, Code::BINARY8, [size, ..]) => Ok((value + 2, usize::from(*size), true)),
                (SectionKind::Data, Code::BINARY32, [a, b, c, d, ..]) => {
                    Ok((value + 5, to_usize(u32::from_be_bytes([*a, *b, *c, *d])), true))
                }
                (SectionKind::Data, Code::BINARY8 | Code::BINARY32, _) => Err(DecodeErrorKind::Truncated),
                (SectionKind::Data, ..) => Err(DecodeErrorKind::Expected("binary")),
                // The whole section is dropped, constructor included.
                (_, code, size) => Ok((value, extent(code, size)?, false)),
            }
        });
        match judged {
            Ok(judged) => Ok(Some(judged)),
            Err(DecodeErrorKind::Truncated) if self.head.len() < WINDOW => Ok(None),
            Err(kind) => Err(DecodeError::new(kind, self.at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use bytes::Bytes;

    use super::{DataSections, Payload};
    use crate::message::Message;

    fn read(octets: &Bytes, size: usize) -> Vec<u8> {
        let (mut sections, mut data) = (DataSections::new(), Vec::new());
        for piece in octets.chunks(size) {
            let piece = Payload::from(octets.slice_ref(piece));
            data.extend(sections.push(piece).unwrap().to_bytes());
        }
        sections.finish().unwrap();
        data
    }

    /// Two data sections [3.2.6], the second with a long size, after properties and before a footer.
    // M-BODY-02.
    #[test]
    fn m_body_02_data_is_found_however_the_message_is_cut() {
        let mut octets = b"\x00\x53\x70\xc0\x02\x01\x41\x00\x53\x73\xc0\x05\x01\xa1\x02id".to_vec();
        octets.extend(
            b"\x00\x53\x75\xa0\x05hello\x00\x80\x00\x00\x00\x00\x00\x00\x00\x75\xb0\x00\x00\x00\x06 there",
        );
        octets.extend(b"\x00\xa3\x10amqp:data:binary\xa0\x00\x00\x53\x78\xc1\x01\x00");
        let octets = Bytes::from(octets);
        for size in 1..=octets.len() {
            assert_eq!(read(&octets, size), b"hello there", "in pieces of {size}");
        }
    }

    /// A body that is a value, octets that are no section, and a truncated message [3.2].
    // M-BODY-01.
    #[test]
    fn m_body_01_another_body_than_data_is_an_error() {
        let value = Message::from("text").to_payload().unwrap();
        assert!(DataSections::new().push(value).is_err());
        assert!(DataSections::new().push(Bytes::from_static(b"\x40").into()).is_err());
        let mut sections = DataSections::new();
        assert!(sections.push(Bytes::from_static(b"\x00\x53\x75\xa0\x05hel").into()).is_ok());
        assert!(sections.finish().is_err());
        let mut sections = DataSections::new();
        assert!(sections.push(Bytes::from_static(b"\x00\x53").into()).is_ok());
        assert!(sections.finish().is_err());
    }
}
