//! [`Deframer`]: cuts a byte stream into protocol headers and frames, however it arrives [2.3].

use core::fmt;

use bytes::{Buf, BytesMut};

use super::frame::{FrameHeader, RawFrame};
use super::protocol::ProtocolHeader;
use crate::codec::DecodeError;

/// Collects octets and gives out what is complete.
///
/// Octets are read straight into [`input`](Self::input), and the frames cut from it share that buffer. A frame
/// is judged by its first eight octets, before the rest is waited for.
///
/// ```
/// use amqp_proto::types::Limits;
/// use amqp_proto::wire::{Deframer, Frame, ProtocolHeader};
/// use bytes::BufMut;
///
/// let mut deframer = Deframer::new();
/// deframer.input().put_slice(b"AMQP\x00\x01\x00\x00");
/// deframer.input().put_slice(&[0, 0, 0, 8, 2, 0, 0]); // all but one octet of an empty frame
/// assert_eq!(deframer.next_header()?, Some(ProtocolHeader::AMQP));
/// assert!(deframer.next_frame(512)?.is_none());
///
/// deframer.input().put_u8(3);
/// let frame = deframer.next_frame(512)?.unwrap().decode(&Limits::DEFAULT)?;
/// assert!(matches!(frame, Frame::Empty { channel } if channel.get() == 3));
/// # Ok::<(), amqp_proto::codec::DecodeError>(())
/// ```
#[derive(Default)]
pub struct Deframer {
    buffer: BytesMut,
    position: u64,
}

impl Deframer {
    /// With an empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns where to put what arrives: octets are to be added at the end.
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Returns how many octets of the stream have been given out.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The octets that have arrived and are not given out yet.
    pub fn remaining(&self) -> &[u8] {
        &self.buffer
    }

    /// The protocol header that comes next, once it is complete; on error nothing is taken.
    pub fn next_header(&mut self) -> Result<Option<ProtocolHeader>, DecodeError> {
        let header = ProtocolHeader::decode(&self.buffer)?;
        if header.is_some() {
            self.buffer.advance(ProtocolHeader::LEN);
            self.position += ProtocolHeader::LEN as u64;
        }
        Ok(header)
    }

    /// The frame that comes next, once it is complete; on error nothing is taken.
    ///
    /// A frame of more than `max_frame_size` octets is an error as soon as its size is known [2.7.1].
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

/// How much there is, and not what: it may be a secret.
impl fmt::Debug for Deframer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deframer at {} with {} octets", self.position, self.buffer.len())
    }
}
