//! [`Input`]: octets that were read, and where the next ones go.

use bytes::buf::Limit;
use bytes::{Buf, BufMut, BytesMut};

use crate::codec::{DecodeError, to_usize};
use crate::wire::{FrameHeader, ProtocolHeader, RawFrame};

/// How many octets are asked for when nothing is known about the peer yet.
const FIRST_READ: usize = 1 << 10;
/// How many octets are asked for at most at a time, unless a frame is larger.
const LARGEST_READ: usize = 1 << 16;
/// How many of the largest frames are asked for at most at a time.
const FRAMES_A_READ: usize = 8;
/// From which size on a frame is read to its end and no further, so that no part of it is ever moved.
const LARGE_FRAME: usize = 1 << 12;

/// Returns how many octets are asked for at most, where frames are no larger than this.
fn largest_read(max_frame_size: usize) -> usize {
    max_frame_size.saturating_mul(FRAMES_A_READ).clamp(FIRST_READ, LARGEST_READ)
}

/// How much memory there is at most in one block of input, where frames are no larger than this: what is left of a
/// frame, what is asked for, and the room behind it; twice that, as buffers grow. A part of it that is kept keeps all
/// of it.
pub(crate) fn largest_block(max_frame_size: u32) -> u64 {
    let max_frame_size = to_usize(max_frame_size);
    let read = largest_read(max_frame_size);
    (max_frame_size as u64)
        .saturating_add(read as u64)
        .saturating_mul(2)
        .saturating_add(read as u64)
        .saturating_mul(2)
}

/// The input buffer. What is cut from it shares its memory, which is used again once all of that is gone.
///
/// Frames that begin in a block of it end there: a block ends a frame's length behind the last octet that is asked
/// for. So nothing that was read is moved, but for the beginning of a frame that is larger than was to be expected.
#[derive(Debug, Default)]
pub(crate) struct Input {
    buffer: BytesMut,
    /// How many octets to ask for, and how many there were when that was done last.
    ask: usize,
    before: usize,
}

impl Input {
    /// Returns where to put what is read next: never without room.
    pub(crate) fn spare(&mut self, max_frame_size: u32) -> Limit<&mut BytesMut> {
        let read = self.buffer.len();
        let max_frame_size = to_usize(max_frame_size);
        let ask = self.ask.clamp(FIRST_READ, largest_read(max_frame_size));
        let wanted = match self.frame_to_come(max_frame_size) {
            // The rest of a large frame, and no more.
            Some(size) if size >= LARGE_FRAME && size > read => size - read,
            Some(size) => size.saturating_sub(read).max(ask),
            None => ask,
        };
        if self.buffer.capacity() - read < wanted {
            let behind = if wanted >= LARGE_FRAME { max_frame_size.min(LARGEST_READ) } else { 0 };
            self.buffer.reserve(wanted + behind);
        }
        self.before = read;
        (&mut self.buffer).limit(wanted)
    }

    /// Returns the size of the frame of which the beginning has been read.
    fn frame_to_come(&self, max_frame_size: usize) -> Option<usize> {
        let size = self.buffer.first_chunk::<4>().filter(|size| *size != b"AMQP")?;
        Some(to_usize(u32::from_be_bytes(*size)).min(max_frame_size))
    }

    /// Octets have been put in the spare room. Where it was filled, more is asked for the next time.
    pub(crate) fn filled(&mut self) {
        let octets = self.buffer.len().saturating_sub(self.before);
        if octets >= self.ask.max(FIRST_READ) {
            self.ask = (2 * octets).clamp(FIRST_READ, LARGEST_READ);
        }
    }

    /// Adds octets that were read elsewhere.
    pub(crate) fn append(&mut self, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    /// Returns whether nothing has been read that is not taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Returns whether there is a whole frame.
    pub(crate) fn has_frame(&self) -> bool {
        self.buffer.first_chunk().is_some_and(|size| to_usize(u32::from_be_bytes(*size)) <= self.buffer.len())
    }

    /// The protocol header that comes next, once it is complete; on error nothing is taken.
    pub(crate) fn header(&mut self) -> Result<Option<ProtocolHeader>, DecodeError> {
        let header = ProtocolHeader::decode(&self.buffer)?;
        if header.is_some() {
            self.buffer.advance(ProtocolHeader::LEN);
        }
        Ok(header)
    }

    /// The octet that comes next.
    pub(crate) fn first(&self) -> Option<u8> {
        self.buffer.first().copied()
    }

    /// The frame that comes next, once it is complete; on error nothing is taken. A frame of more than
    /// `max_frame_size` octets is an error as soon as its size is known [2.7.1].
    #[inline(always)]
    pub(crate) fn frame(&mut self, max_frame_size: u32) -> Result<Option<RawFrame>, DecodeError> {
        let Some(header) = FrameHeader::decode(&self.buffer, max_frame_size)? else { return Ok(None) };
        let size = to_usize(header.size);
        if size > self.buffer.len() {
            return Ok(None);
        }
        Ok(Some(RawFrame { header, octets: self.buffer.split_to(size).freeze() }))
    }

    /// Drops all that has been read.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Gives memory back that nothing is in.
    pub(crate) fn shrink(&mut self) {
        if self.buffer.is_empty() {
            self.clear();
        }
    }
}
