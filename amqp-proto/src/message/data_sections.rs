//! [`DataSections`]: the data of a body, out of a message that comes in pieces.

use alloc::vec::Vec;

use bytes::Bytes;

use super::payload::Payload;
use super::scan::{WINDOW, described, extent};
use crate::codec::{Code, DecodeError, DecodeErrorKind, to_usize};
use crate::wire::SectionKind;

/// Takes the octets of the data sections [3.2.6] out of a message that comes in pieces, and drops all other sections.
///
/// Octets are passed on as they come, without a copy, however the message is cut. Order and number of the sections are
/// not checked; [`MessageView`](super::MessageView) does that for a message that is there as a whole.
///
/// ```
/// use amqp_proto::message::{DataSections, Message};
///
/// let octets = Message::from(b"a long body".to_vec()).with_durable(true).to_payload()?.to_bytes();
/// let (begin, end) = (octets.slice(..octets.len() - 4), octets.slice(octets.len() - 4..));
///
/// let mut sections = DataSections::new();
/// assert_eq!(sections.push(begin.into())?.to_bytes(), "a long ");
/// assert_eq!(sections.push(end.into())?.to_bytes(), "body");
/// sections.finish()?;
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct DataSections {
    /// The first octets of a section, as long as they do not suffice to say what it is.
    head: Vec<u8>,
    /// How many octets of the section are still to come, and whether they are data.
    left: usize,
    is_data: bool,
    /// How many octets have been dealt with.
    at: usize,
}

impl DataSections {
    /// Begins before the first octet of a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next octets of the message; returns those of them that are data, which may be none.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] where the octets are no section, or the body is a value or sequences and not data.
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

    /// Checks that the message has ended with a section, and not in one.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] where a section is cut short.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.left == 0 && self.head.is_empty() {
            true => Ok(()),
            false => Err(DecodeError::new(DecodeErrorKind::Truncated, self.at)),
        }
    }

    /// Passes octets of a section on, or drops them; returns those behind it.
    fn pass(&mut self, mut octets: Bytes, data: &mut Payload) -> Bytes {
        let of_section = octets.split_to(self.left.min(octets.len()));
        self.left -= of_section.len();
        self.at += of_section.len();
        if self.is_data {
            data.push(of_section);
        }
        octets
    }

    /// Takes octets until the section says what it is and how long; returns those behind that.
    fn begin(&mut self, mut octets: Bytes, data: &mut Payload) -> Result<Bytes, DecodeError> {
        let kept = self.head.len();
        let added = octets.len().min(WINDOW - kept);
        self.head.extend_from_slice(octets.get(..added).unwrap_or_default());
        let Some((start, left, is_data)) = self.judge()? else {
            return Ok(octets.split_off(added));
        };
        self.head.clear();
        // Of a section that is dropped, its constructor may have been kept.
        let dropped = kept.saturating_sub(start);
        (self.left, self.is_data) = (left.saturating_sub(dropped), is_data);
        self.at += start + dropped;
        let rest = octets.split_off(start.saturating_sub(kept).min(octets.len()));
        Ok(if self.left == 0 { rest } else { self.pass(rest, data) })
    }

    /// Says where the content of the section begins, how long it is, and whether it is data; `None` if more octets are
    /// needed for that.
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
                // All of it is dropped, its constructor included.
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

    /// M-BODY-02 [3.2.6]: two data sections, the second with a long size, behind properties and before a footer.
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

    /// M-BODY-01 [3.2]: a body that is a value, octets that are no section, and a message that is cut short.
    #[test]
    fn m_body_01_what_is_no_data_is_an_error() {
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
