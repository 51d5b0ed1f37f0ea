//! Frames: a header, a performative, and what a transfer carries [2.3].

use core::fmt;

use bytes::{Buf, Bytes, BytesMut};

use super::performative::each;
use super::sasl::each_sasl;
use super::{Performative, SaslBody, Transfer};
use crate::codec::{
    Code, Composite, DESCRIPTOR_LEN, DecodeError, DecodeErrorKind, Decoder, Encode, EncodeError, Fault,
    Writer, fill,
};
use crate::types::{Channel, Limits};

/// The smallest frame there is, and the octets before a body without extended header.
const HEADER_LEN: usize = 8;
const MIN_SIZE: u32 = 8;
/// The data offset of a frame without extended header, in words of four octets.
const DATA_OFFSET: u8 = 2;

/// The type of a frame [2.3.1].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// An AMQP frame.
    Amqp,
    /// A SASL frame.
    Sasl,
}

/// The first eight octets of a frame [2.3.1].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameHeader {
    /// The octets of the whole frame, this header included.
    pub size: u32,
    /// Where the body begins, in words of four octets; what lies between is an extended header.
    pub data_offset: u8,
    /// The type of the frame.
    pub kind: FrameKind,
    /// The channel of an AMQP frame; of no meaning in a SASL frame [5.3.1].
    pub channel: Channel,
}

impl FrameHeader {
    /// Reads the header at the front of what has arrived so far, `None` if there is more to come.
    ///
    /// A frame of more than `max_frame_size` octets is refused here [2.7.1].
    #[inline]
    pub fn decode(octets: &[u8], max_frame_size: u32) -> Result<Option<Self>, DecodeError> {
        let Some(&[a, b, c, d, data_offset, kind, high, low]) = octets.first_chunk::<HEADER_LEN>() else {
            return Self::decode_part(octets, max_frame_size);
        };
        let (size, channel) = (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([high, low]));
        check_size(size, max_frame_size)?;
        if data_offset < DATA_OFFSET || u32::from(data_offset) * 4 > size {
            return Err(DecodeError::new(DecodeErrorKind::DataOffset(data_offset), 4));
        }
        let kind = match kind {
            0 => FrameKind::Amqp,
            1 => FrameKind::Sasl,
            other => return Err(DecodeError::new(DecodeErrorKind::FrameType(other), 5)),
        };
        Ok(Some(Self { size, data_offset, kind, channel: Channel::new(channel) }))
    }

    /// Judges a header of which not all has arrived: the size alone may be enough to refuse it.
    #[cold]
    fn decode_part(octets: &[u8], max_frame_size: u32) -> Result<Option<Self>, DecodeError> {
        match octets.first_chunk() {
            Some(size) => check_size(u32::from_be_bytes(*size), max_frame_size).map(|()| None),
            None => Ok(None),
        }
    }
}

#[inline]
fn check_size(size: u32, limit: u32) -> Result<(), DecodeError> {
    if size < MIN_SIZE {
        return Err(DecodeError::new(DecodeErrorKind::FrameSize(size), 0));
    }
    if size > limit {
        return Err(DecodeError::new(DecodeErrorKind::FrameTooLarge { size, limit }, 0));
    }
    Ok(())
}

/// A frame as it came: its header is read, its body is not.
#[derive(Clone, PartialEq, Eq)]
pub struct RawFrame {
    /// The first eight octets, read.
    pub header: FrameHeader,
    /// The whole frame, header included.
    pub octets: Bytes,
}

/// How a transfer begins, in the form that all writers use.
const TRANSFER: [u8; DESCRIPTOR_LEN] = [Code::DESCRIBED, Code::SMALL_ULONG, Transfer::CODE];

impl RawFrame {
    /// Returns the octets that come behind the descriptor, if the body is a transfer in the form that all writers
    /// use.
    #[inline]
    pub(crate) fn transfer_list(&self) -> Option<usize> {
        let body = usize::from(self.header.data_offset) * 4;
        let is_transfer =
            self.header.kind == FrameKind::Amqp && self.octets.get(body..)?.starts_with(&TRANSFER);
        is_transfer.then_some(body + DESCRIPTOR_LEN)
    }

    /// Reads a transfer and its payload; `list` is where its fields begin. The same as [`decode`](Self::decode),
    /// without the detour over all that a frame might be.
    #[inline]
    pub(crate) fn decode_transfer(
        mut self,
        list: usize,
        limits: &Limits,
    ) -> Result<(Transfer, Bytes), DecodeError> {
        let input = self.octets.get(list..).unwrap_or_default();
        match Transfer::decode_list(&mut Decoder::new(&self.octets, limits), input) {
            Ok((rest, transfer)) => {
                self.octets.advance(self.octets.len() - rest.len());
                Ok((transfer, self.octets))
            }
            Err(error) => Err(Fault::settle(error, &self.octets)),
        }
    }

    /// Reads the body. What follows a transfer performative becomes the payload, a slice of the same buffer.
    #[inline]
    pub fn decode(self, limits: &Limits) -> Result<Frame, DecodeError> {
        let Self { header, octets } = self;
        let input = octets.get(usize::from(header.data_offset) * 4..).unwrap_or_default();
        match header.kind {
            FrameKind::Amqp if input.is_empty() => Ok(Frame::Empty { channel: header.channel }),
            FrameKind::Amqp => {
                let (left, performative) =
                    match Performative::parse(&mut Decoder::new(&octets, limits), input) {
                        Ok((rest, performative)) => (rest.len(), performative),
                        Err(error) => return Err(Fault::settle(error, &octets)),
                    };
                let carries = matches!(performative, Performative::Transfer(_));
                let payload = rest_of(octets, left, carries)?;
                Ok(Frame::Amqp { channel: header.channel, performative, payload })
            }
            FrameKind::Sasl if input.is_empty() => {
                Err(DecodeError::new(DecodeErrorKind::EmptySaslFrame, HEADER_LEN))
            }
            FrameKind::Sasl => {
                let (left, body) = match SaslBody::parse(&mut Decoder::new(&octets, limits), input) {
                    Ok((rest, body)) => (rest.len(), body),
                    Err(error) => return Err(Fault::settle(error, &octets)),
                };
                rest_of(octets, left, false)?;
                Ok(Frame::Sasl(body))
            }
        }
    }
}

/// What is left behind the body: the payload of a transfer, or a fault.
#[inline]
fn rest_of(mut octets: Bytes, left: usize, carries: bool) -> Result<Bytes, DecodeError> {
    if carries {
        octets.advance(octets.len() - left);
        Ok(octets)
    } else if left == 0 {
        Ok(Bytes::new())
    } else {
        Err(DecodeError::new(DecodeErrorKind::Trailing, octets.len() - left))
    }
}

/// The header and the number of octets: what is in them may be a secret.
impl fmt::Debug for RawFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} octets", self.header, self.octets.len())
    }
}

/// A frame, read.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// An AMQP frame.
    Amqp {
        /// The channel of the session, 0 for frames of the connection.
        channel: Channel,
        /// What the frame says.
        performative: Performative,
        /// What a transfer carries; empty with all others [2.3.2].
        payload: Bytes,
    },
    /// An AMQP frame without a body: its sender is alive [2.3.2].
    Empty {
        /// Any channel.
        channel: Channel,
    },
    /// A SASL frame.
    Sasl(SaslBody),
}

impl Frame {
    /// Returns an AMQP frame without payload.
    pub fn new(channel: Channel, performative: impl Into<Performative>) -> Self {
        Self::Amqp { channel, performative: performative.into(), payload: Bytes::new() }
    }

    /// Appends the frame, payload included.
    ///
    /// Fails, writing nothing, if that takes more than `max_frame_size` octets [2.7.1].
    pub fn encode(&self, max_frame_size: u32, out: &mut BytesMut) -> Result<(), EncodeError> {
        match self {
            Self::Amqp { channel, performative, payload } => {
                performative.encode_frame(*channel, payload.len(), max_frame_size, out)?;
                out.extend_from_slice(payload);
                Ok(())
            }
            Self::Empty { channel } => {
                out.extend_from_slice(&header(HEADER_LEN, FrameKind::Amqp, *channel));
                Ok(())
            }
            Self::Sasl(body) => {
                each_sasl!(body, inner => write_frame(FrameKind::Sasl, Channel::new(0), inner, 0, max_frame_size, out))
            }
        }
    }
}

impl Performative {
    /// Appends a frame up to its payload, of which only the length is needed: the octets are to be sent right
    /// after, from wherever they are.
    ///
    /// Fails, writing nothing, if frame and payload take more than `max_frame_size` octets [2.7.1].
    pub fn encode_frame(
        &self,
        channel: Channel,
        payload: usize,
        max_frame_size: u32,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        if payload > 0 && !matches!(self, Self::Transfer(_)) {
            return Err(EncodeError::Payload);
        }
        each!(self, inner => write_frame(FrameKind::Amqp, channel, inner, payload, max_frame_size, out))
    }
}

#[inline]
fn header(size: usize, kind: FrameKind, channel: Channel) -> [u8; HEADER_LEN] {
    let [a, b, c, d] = u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes();
    let [high, low] = channel.get().to_be_bytes();
    [a, b, c, d, DATA_OFFSET, kind as u8, high, low]
}

/// Appends a frame up to its payload.
///
/// Mostly the fields are known to be few enough octets for the 8-bit form without measuring them; then they are
/// written at once, and what comes before them when their size is known.
#[inline]
pub(crate) fn write_frame<T: Composite + Encode>(
    kind: FrameKind,
    channel: Channel,
    body: &T,
    payload: usize,
    max_frame_size: u32,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    const FRONT: usize = HEADER_LEN + DESCRIPTOR_LEN + 3;
    body.check()?;
    let most = T::MOST + body.extra();
    if most >= usize::from(u8::MAX) {
        return write_measured(kind, channel, body, payload, max_frame_size, out);
    }
    let start = out.len();
    out.resize(start + FRONT + most, 0);
    let Some((front, rest)) = out.get_mut(start..).and_then(|buffer| buffer.split_first_chunk_mut::<FRONT>())
    else {
        out.truncate(start);
        return write_measured(kind, channel, body, payload, max_frame_size, out);
    };
    let (writer, count) = body.write_unsized(Writer::new(rest));
    let octets = most - writer.left();
    let size = FRONT + octets + payload;
    if count == 0 || u32::try_from(size).map_or(true, |size| size > max_frame_size) {
        out.truncate(start);
        return write_measured(kind, channel, body, payload, max_frame_size, out);
    }
    let [a, b, c, d, e, f, g, h] = header(size, kind, channel);
    let listed = u8::try_from(octets + 1).unwrap_or(u8::MAX);
    *front =
        [a, b, c, d, e, f, g, h, Code::DESCRIBED, Code::SMALL_ULONG, T::CODE, Code::LIST8, listed, count];
    out.truncate(start + FRONT + octets);
    Ok(())
}

/// The same for fields of any size, measured before anything is written.
#[cold]
fn write_measured<T: Composite>(
    kind: FrameKind,
    channel: Channel,
    body: &T,
    payload: usize,
    max_frame_size: u32,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let sizes = body.sizes();
    let head = HEADER_LEN + DESCRIPTOR_LEN + sizes.list_len();
    let size = head + payload;
    if u32::try_from(size).map_or(true, |size| size > max_frame_size) {
        return Err(too_large(size, max_frame_size));
    }
    fill(out, head, |writer| body.write_sized(sizes, writer.octets(header(size, kind, channel))));
    Ok(())
}

#[cold]
fn too_large(octets: usize, limit: u32) -> EncodeError {
    EncodeError::TooLarge { octets, limit: usize::try_from(limit).unwrap_or(usize::MAX) }
}

/// One line, complete but for the payload, of which the length is told.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amqp { channel, performative, payload } => {
                write!(f, "[{channel}] {performative:?}")?;
                if payload.is_empty() { Ok(()) } else { write!(f, " + {} octets", payload.len()) }
            }
            Self::Empty { channel } => write!(f, "[{channel}] empty"),
            Self::Sasl(body) => write!(f, "[sasl] {body:?}"),
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
