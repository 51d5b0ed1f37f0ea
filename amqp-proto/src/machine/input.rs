//! [`Input`]: the input buffer.

use alloc::collections::VecDeque;

use bytes::buf::Limit;
use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::codec::{DecodeError, to_usize};
use crate::wire::{FrameHeader, ProtocolHeader, RawFrame};

/// The octets of the first read, when the peer's rate is unknown.
const FIRST_READ: usize = 1 << 10;
/// The greatest number of octets of a read, unless a frame is larger.
const LARGEST_READ: usize = 1 << 16;
/// The greatest number of the largest frames in a read.
const FRAMES_A_READ: usize = 8;
/// From this size on, a frame is read to its end and no further, so that no part of it is moved.
const LARGE_FRAME: usize = 1 << 12;
/// The size of a block for large reads: a read, and a frame's length behind it.
const BLOCK: usize = 2 * LARGEST_READ;
/// A block that needs at least this many octets gets a whole [`BLOCK`], so that each can take another's place.
const LEAST_OF_BLOCK: usize = BLOCK / 2;
/// The greatest number of [`BLOCK`]s that are kept to be filled again: enough for a message of 1 MiB.
const KEPT: usize = 16;
/// The greatest number of smaller blocks that are kept. One is filled while the application has the message in another.
const KEPT_SMALL: usize = 2;

/// The part of a connection's memory that a read may fill, and the part that blocks may take which are kept.
const READS: u64 = 64;
const BLOCKS: u64 = 8;

/// Returns the number and the size of the blocks that are kept, where blocks of at least `size` octets are needed; `None`
/// if blocks of this size are not kept.
fn kept(size: usize) -> Option<(usize, usize)> {
    match size {
        LEAST_OF_BLOCK..=BLOCK => Some((KEPT, BLOCK)),
        ..LEAST_OF_BLOCK => Some((KEPT_SMALL, size.next_power_of_two())),
        _ => None,
    }
}

/// Returns the greatest number of octets of a read, for frames of this size.
fn largest_read(max_frame_size: usize) -> usize {
    max_frame_size.saturating_mul(FRAMES_A_READ).clamp(FIRST_READ, LARGEST_READ)
}

/// The input buffer. The frames cut from it share its memory, which is reused after all of them are dropped.
///
/// A block ends a frame's length after the last requested octet, so frames that begin in a block end in it.
/// So no octet that was read is moved, except the beginning of a frame that is larger than expected.
///
/// Blocks are kept while frames share them, and filled again, so that a message costs no allocation. The C library takes
/// large blocks from the system and gives them back as soon as they are dropped, and each page of a new one costs a page
/// fault.
#[derive(Debug)]
pub(crate) struct Input {
    /// The greatest number of octets of a read, unless a frame is larger.
    largest_read: usize,
    /// The greatest memory of blocks that are kept to be filled again.
    most: usize,
    buffer: BytesMut,
    /// The size of the block that is filled.
    now: usize,
    /// The size of the blocks that are kept.
    size: usize,
    /// Blocks that were filled, oldest first.
    kept: VecDeque<BytesMut>,
    /// The number of octets to request, and the number in the buffer at the last request.
    ask: usize,
    before: usize,
}

/// A frame of type AMQP without an extended header.
pub(crate) struct PlainFrame<'a> {
    pub(crate) channel: u16,
    /// The octets behind the header; `None` while some of them are missing.
    pub(crate) body: Option<&'a [u8]>,
}

impl PlainFrame<'_> {
    pub(crate) const HEADER_LEN: usize = 8;
}

impl Input {
    /// Returns an input buffer for a connection with this memory.
    pub(crate) fn new(memory: u64) -> Self {
        let part = |parts| usize::try_from(memory / parts).unwrap_or(usize::MAX);
        Self {
            largest_read: part(READS).clamp(FIRST_READ, LARGEST_READ),
            most: part(BLOCKS),
            buffer: BytesMut::new(),
            now: 0,
            size: 0,
            kept: VecDeque::new(),
            ask: 0,
            before: 0,
        }
    }

    /// Returns the number of octets to read next; never 0.
    #[inline]
    pub(crate) fn wanted(&self, max_frame_size: u32) -> usize {
        let read = self.buffer.len();
        let max_frame_size = to_usize(max_frame_size);
        let ask = self.ask.clamp(FIRST_READ, largest_read(max_frame_size));
        match self.frame_to_come(max_frame_size) {
            // The rest of a large frame, and no more.
            Some(size) if size >= LARGE_FRAME && size > read => size - read,
            Some(size) => size.saturating_sub(read).max(ask),
            None => ask,
        }
    }

    /// Returns `true` if there is room for this many octets.
    #[inline]
    pub(crate) fn has_room(&self, wanted: usize) -> bool {
        self.buffer.capacity() - self.buffer.len() >= wanted
    }

    /// Returns the room to make for this many octets: a frame that begins in them should end in the same block.
    pub(crate) fn room_for(&self, wanted: usize, max_frame_size: u32) -> usize {
        if wanted < LARGE_FRAME { wanted } else { wanted + to_usize(max_frame_size).min(self.largest_read) }
    }

    /// Returns the room to make for octets that were read elsewhere: for the whole of a frame that they continue.
    pub(crate) fn room_to_append(&self, octets: usize, max_frame_size: u32) -> usize {
        let rest =
            self.frame_to_come(to_usize(max_frame_size)).unwrap_or(0).saturating_sub(self.buffer.len());
        rest.max(octets)
    }

    /// Returns the buffer to read this many octets into; there must be room for them.
    #[inline]
    pub(crate) fn spare(&mut self, wanted: usize) -> Limit<&mut BytesMut> {
        self.before = self.buffer.len();
        (&mut self.buffer).limit(wanted)
    }

    /// Makes room for this many octets after those that were read: in the block, if no frame shares it, or in
    /// another one. Returns the size of the block that was left, if there was one: frames may still share it.
    pub(crate) fn grow(&mut self, room: usize) -> usize {
        if self.buffer.try_reclaim(room) {
            return 0;
        }
        // Blocks become larger and never smaller, so that those that are kept can be used again.
        let needed = self.buffer.len() + room;
        let kept = kept(needed.max(self.size));
        let (most, size) = kept.unwrap_or((0, needed));
        if kept.is_some() && self.size != size {
            self.kept.clear();
            self.size = size;
        }
        let free = if kept.is_some() { self.free_block(size) } else { None };
        let mut block = free.unwrap_or_else(|| BytesMut::with_capacity(size));
        block.extend_from_slice(&self.buffer);
        let mut filled = core::mem::replace(&mut self.buffer, block);
        let left = core::mem::replace(&mut self.now, size);
        if left == size && self.kept.len() < most.min(self.most / size) {
            filled.clear();
            self.kept.push_back(filled);
        }
        left
    }

    /// Takes the oldest of the kept blocks, if no frame shares it. If one does, looks at the next one the next time.
    fn free_block(&mut self, size: usize) -> Option<BytesMut> {
        let mut block = self.kept.pop_front()?;
        if block.try_reclaim(size) {
            return Some(block);
        }
        self.kept.push_back(block);
        None
    }

    /// Returns the size of the frame whose beginning has been read.
    fn frame_to_come(&self, max_frame_size: usize) -> Option<usize> {
        let size = self.buffer.first_chunk::<4>().filter(|size| *size != b"AMQP")?;
        Some(to_usize(u32::from_be_bytes(*size)).min(max_frame_size))
    }

    /// Records a read, and returns its octets. If the space was filled, requests more the next time.
    pub(crate) fn filled(&mut self) -> usize {
        let octets = self.buffer.len().saturating_sub(self.before);
        if octets >= self.ask.max(FIRST_READ) {
            self.ask = (2 * octets).clamp(FIRST_READ, self.largest_read);
        }
        self.before = self.buffer.len();
        octets
    }

    /// Adds a copy of octets that were read elsewhere.
    pub(crate) fn append(&mut self, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    /// Returns `true` if all octets were taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Returns `true` if there is a whole frame.
    pub(crate) fn has_frame(&self) -> bool {
        self.buffer.first_chunk().is_some_and(|size| to_usize(u32::from_be_bytes(*size)) <= self.buffer.len())
    }

    /// Takes the next protocol header, if it is complete. Takes nothing on error.
    pub(crate) fn header(&mut self) -> Result<Option<ProtocolHeader>, DecodeError> {
        let header = ProtocolHeader::decode(&self.buffer)?;
        if header.is_some() {
            self.buffer.advance(ProtocolHeader::LEN);
        }
        Ok(header)
    }

    /// Returns the next octet.
    pub(crate) fn first(&self) -> Option<u8> {
        self.buffer.first().copied()
    }

    /// Takes the next frame, if it is complete. Takes nothing on error. A frame of more than `max_frame_size`
    /// octets is an error as soon as its size is known [2.7.1].
    #[inline]
    pub(crate) fn frame(&mut self, max_frame_size: u32) -> Result<Option<RawFrame>, DecodeError> {
        let Some(header) = FrameHeader::decode(&self.buffer, max_frame_size)? else { return Ok(None) };
        let size = to_usize(header.size);
        if size > self.buffer.len() {
            return Ok(None);
        }
        Ok(Some(RawFrame { header, octets: self.take(0, size) }))
    }

    /// Returns the next frame without taking it, if it is one of AMQP without an extended header.
    #[inline(always)] // called in one place
    pub(crate) fn plain_frame(&self, max_frame_size: u32) -> Option<PlainFrame<'_>> {
        let (&[a, b, c, d, 2, 0, high, low], rest) = self.buffer.split_first_chunk()? else { return None };
        let size = u32::from_be_bytes([a, b, c, d]);
        let body = to_usize(size).checked_sub(PlainFrame::HEADER_LEN)?;
        let channel = u16::from_be_bytes([high, low]);
        (size <= max_frame_size).then_some(PlainFrame { channel, body: rest.get(..body) })
    }

    /// Takes octets, and returns those behind the first `head`.
    #[inline(never)] // so that what it calls is inlined
    pub(crate) fn take(&mut self, head: usize, octets: usize) -> Bytes {
        self.buffer.advance(head);
        self.buffer.split_to(octets).freeze()
    }

    /// Drops all octets.
    pub(crate) fn clear(&mut self) {
        let (largest_read, most) = (self.largest_read, self.most);
        *self = Self { largest_read, most, ..Self::new(0) };
    }

    /// Frees an empty buffer, and the blocks that were kept. Returns the size of the block that was left.
    pub(crate) fn shrink(&mut self) -> usize {
        if !self.buffer.is_empty() {
            return 0;
        }
        let left = self.now;
        self.clear();
        left
    }
}
