//! [`Deframer`]: splits a byte stream into protocol headers and frames, whatever the portions in which it
//! arrives [2.3].

use core::fmt;

use bytes::{Buf, BytesMut};

use super::frame::{FrameHeader, RawFrame};
use super::protocol::ProtocolHeader;
use crate::codec::DecodeError;

/// Collects octets and returns complete protocol headers and frames.
///
/// Octets are read straight into [`input`](Self::input), and the returned frames share that buffer. The first
/// eight octets of a frame are checked before the rest arrives.
///
/// ```
/// use amqp_proto::types::Limits;
/// use amqp_proto::wire::{Deframer, Frame, ProtocolHeader};
/// use bytes::BufMut;
///
/// let mut deframer = Deframer::new();
/// deframer.input().put_slice(b"AMQP\x00\x01\x00\x00");
/// // All but one octet of an empty frame.
/// deframer.input().put_slice(&[0, 0, 0, 8, 2, 0, 0]);
/// assert_eq!(deframer.next_header()?, Some(ProtocolHeader::AMQP));
/// assert!(deframer.next_frame(512)?.is_none());
///
/// deframer.input().put_u8(3);
/// let frame = deframer.next_frame(512)?.unwrap();
/// let frame = frame.decode(&Limits::DEFAULT)?;
/// assert!(matches!(frame, Frame::Empty { channel } if channel.get() == 3));
/// # Ok::<(), amqp_proto::codec::DecodeError>(())
/// ```
#[derive(Default)]
pub struct Deframer {
    buffer: BytesMut,
    position: u64,
}

impl Deframer {
    /// Returns a deframer with an empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the input buffer; append received octets to it.
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Returns the number of octets that have been returned as headers and frames.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns the octets that have arrived and are not yet returned.
    pub fn remaining(&self) -> &[u8] {
        &self.buffer
    }

    /// Returns the next protocol header, or `None` while it is incomplete.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] of kind [`ProtocolHeader`](crate::codec::DecodeErrorKind::ProtocolHeader) if the octets are no
    /// protocol header. The octets stay in the buffer.
    pub fn next_header(&mut self) -> Result<Option<ProtocolHeader>, DecodeError> {
        let header = ProtocolHeader::decode(&self.buffer)?;
        if header.is_some() {
            self.buffer.advance(ProtocolHeader::LEN);
            self.position += ProtocolHeader::LEN as u64;
        }
        Ok(header)
    }

    /// Returns the next frame, or `None` while it is incomplete.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the frame's header is malformed, or if its size exceeds `max_frame_size` octets
    /// [2.7.1]. The octets stay in the buffer.
    #[inline]
    pub fn next_frame(&mut self, max_frame_size: u32) -> Result<Option<RawFrame>, DecodeError> {
        let Some(header) = FrameHeader::decode(&self.buffer, max_frame_size)? else { return Ok(None) };
        match usize::try_from(header.size) {
            Ok(size) if size <= self.buffer.len() => {
                self.position += u64::from(header.size);
                Ok(Some(RawFrame { header, octets: self.buffer.split_to(size).freeze() }))
            }
            _ => Ok(None),
        }
    }
}

/// Prints only the number of octets, since they may contain a secret.
impl fmt::Debug for Deframer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deframer at {} with {} octets", self.position, self.buffer.len())
    }
}
