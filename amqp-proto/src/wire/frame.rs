//! Frames: a header, a performative, and the payload of a transfer [2.3].

use core::fmt;

use bytes::{Buf, Bytes, BytesMut};

use super::performative::each;
use super::sasl::each_sasl;
use super::{Performative, SaslBody, Transfer};
use crate::codec::{
    AnyComposite, Code, Composite, DESCRIPTOR_LEN, DecodeError, DecodeErrorKind, Decoder, Encode,
    EncodeError, Fault, Writer, fill,
};
use crate::types::{Channel, Limits};

/// The size of the smallest frame, and of a header without extended header.
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
    /// The size of the whole frame in octets, header included.
    pub size: u32,
    /// The offset of the body, in words of four octets. An extended header may lie between this header and
    /// the body.
    pub data_offset: u8,
    /// The type of the frame.
    pub kind: FrameKind,
    /// The channel of an AMQP frame; meaningless in a SASL frame [5.3.1].
    pub channel: Channel,
}

impl FrameHeader {
    /// Reads the header of the next frame, or returns `None` if `octets` are too few.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the header is malformed, or if the frame's size exceeds `max_frame_size` octets
    /// [2.7.1].
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

    /// Checks an incomplete header: its size field alone may be reason to refuse the frame.
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

/// A received frame with its header decoded and its body not decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct RawFrame {
    /// The decoded header.
    pub header: FrameHeader,
    /// The whole frame, header included.
    pub octets: Bytes,
}

/// The first octets of a transfer's body, in the form that all known writers use.
const TRANSFER: [u8; DESCRIPTOR_LEN] = [Code::DESCRIBED, Code::SMALL_ULONG, Transfer::CODE];

impl RawFrame {
    /// Returns the offset of the field list if the body is a transfer in the form that all known writers use.
    #[inline]
    pub(crate) fn transfer_list(&self) -> Option<usize> {
        let body = usize::from(self.header.data_offset) * 4;
        let is_transfer =
            self.header.kind == FrameKind::Amqp && self.octets.get(body..)?.starts_with(&TRANSFER);
        is_transfer.then_some(body + DESCRIPTOR_LEN)
    }

    /// Reads a transfer and its payload; `list` is the offset of the field list.
    ///
    /// A shortcut of [`decode`](Self::decode) for the most frequent frame.
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

    /// Reads the body. The octets after a transfer performative become the payload, a slice of the same
    /// buffer.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the body is not a performative or SASL body within `limits`, or if octets follow a
    /// performative other than transfer.
    #[inline]
    pub fn decode(self, limits: &Limits) -> Result<Frame, DecodeError> {
        match self.header.kind {
            FrameKind::Amqp => self.decode_amqp(limits),
            FrameKind::Sasl => self.decode_sasl(limits).map(Frame::Sasl),
        }
    }

    /// Reads the body of an AMQP frame.
    ///
    /// Apart from [`decode_sasl`](Self::decode_sasl), so that a program without SASL is not linked with its bodies.
    #[inline]
    pub(crate) fn decode_amqp(self, limits: &Limits) -> Result<Frame, DecodeError> {
        let Self { header, octets } = self;
        let input = octets.get(usize::from(header.data_offset) * 4..).unwrap_or_default();
        if input.is_empty() {
            return Ok(Frame::Empty { channel: header.channel });
        }
        let (left, performative) = match Performative::parse(&mut Decoder::new(&octets, limits), input) {
            Ok((rest, performative)) => (rest.len(), performative),
            Err(error) => return Err(Fault::settle(error, &octets)),
        };
        let carries = matches!(performative, Performative::Transfer(_));
        let payload = rest_of(octets, left, carries)?;
        Ok(Frame::Amqp { channel: header.channel, performative, payload })
    }

    /// Reads the body of a SASL frame.
    pub(crate) fn decode_sasl(self, limits: &Limits) -> Result<SaslBody, DecodeError> {
        let Self { header, octets } = self;
        let input = octets.get(usize::from(header.data_offset) * 4..).unwrap_or_default();
        if input.is_empty() {
            return Err(DecodeError::new(DecodeErrorKind::EmptySaslFrame, HEADER_LEN));
        }
        let (left, body) = match SaslBody::parse(&mut Decoder::new(&octets, limits), input) {
            Ok((rest, body)) => (rest.len(), body),
            Err(error) => return Err(Fault::settle(error, &octets)),
        };
        rest_of(octets, left, false)?;
        Ok(body)
    }
}

/// Returns the octets after the performative: the payload of a transfer. Octets after any other performative
/// are a fault.
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

/// Prints the header and the number of octets, but not the octets, which may contain a secret.
impl fmt::Debug for RawFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} octets", self.header, self.octets.len())
    }
}

/// A decoded frame.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// An AMQP frame.
    Amqp {
        /// The channel of the session; 0 for frames of the connection.
        channel: Channel,
        /// The performative of the frame.
        performative: Performative,
        /// The payload of a transfer; empty with other performatives [2.3.2].
        payload: Bytes,
    },
    /// An AMQP frame without a body, which shows that its sender is alive [2.3.2].
    Empty {
        /// The channel of the frame, which has no meaning.
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
    /// # Errors
    ///
    /// [`EncodeError`] if the frame exceeds `max_frame_size` octets [2.7.1], if a mandatory field has no
    /// value, or if a performative other than transfer has a payload. Nothing is appended then.
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
    /// Appends a frame up to its payload.
    ///
    /// `payload` is the length of the payload, which the caller sends right after `out`.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if frame and payload exceed `max_frame_size` octets [2.7.1], if a mandatory field has
    /// no value, or if a performative other than transfer has a payload. Nothing is appended then.
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
/// The types of the fields usually show that the 8-bit form is enough. Then the fields are written at once,
/// without measuring them, and the octets before them last.
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
    if T::IS_RARE {
        return write_measured(kind, channel, body, payload, max_frame_size, out);
    }
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

/// Appends a frame up to its payload, with fields of any size, which are measured before they are written.
#[cold]
fn write_measured(
    kind: FrameKind,
    channel: Channel,
    body: &dyn AnyComposite,
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
    fill(out, head, |writer| body.write(sizes, writer.octets(header(size, kind, channel))));
    Ok(())
}

#[cold]
fn too_large(octets: usize, limit: u32) -> EncodeError {
    EncodeError::TooLarge { octets, limit: usize::try_from(limit).unwrap_or(usize::MAX) }
}

/// Prints one line: the whole frame with the length of the payload in place of the payload.
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
