//! [`Payload`]: the octets of a message, in chunks that share the buffers in which they arrived.

use core::fmt;
use core::ops::Range;

use alloc::vec;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

/// The octets of a message, in chunks.
///
/// A received message has one chunk for each frame. Adding chunks and slicing copy nothing.
///
/// ```
/// use amqp_proto::message::Payload;
/// use bytes::Bytes;
///
/// let chunks = [Bytes::from_static(b"ab"), Bytes::from_static(b"cd")];
/// let payload: Payload = chunks.into_iter().collect();
/// assert_eq!(payload.len(), 4);
/// assert_eq!(payload.slice(1..3).to_bytes(), "bc");
/// ```
#[derive(Clone, Default)]
pub struct Payload {
    chunks: Chunks,
    len: usize,
}

/// The chunks of a payload. Most messages have one: it costs no allocation, and little to move and to drop.
#[derive(Clone)]
enum Chunks {
    /// One chunk, or none if it is empty.
    One(Bytes),
    Many(Vec<Bytes>),
}

impl Default for Chunks {
    #[inline]
    fn default() -> Self {
        Self::One(Bytes::new())
    }
}

impl Payload {
    /// Returns an empty payload.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a chunk at the end.
    pub fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        self.len += chunk.len();
        match &mut self.chunks {
            Chunks::One(first) if first.is_empty() => *first = chunk,
            Chunks::One(first) => self.chunks = Chunks::Many(vec![core::mem::take(first), chunk]),
            Chunks::Many(chunks) => chunks.push(chunk),
        }
    }

    /// Returns the number of octets.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns `true` if there are no octets.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the chunks. No chunk is empty.
    pub fn chunks(&self) -> &[Bytes] {
        match &self.chunks {
            Chunks::One(chunk) if chunk.is_empty() => &[],
            Chunks::One(chunk) => core::slice::from_ref(chunk),
            Chunks::Many(chunks) => chunks,
        }
    }

    /// Returns a part of the octets, without a copy. A range beyond the end is cut.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let mut part = Self::new();
        let mut start = 0;
        for chunk in self.chunks() {
            let from = range.start.saturating_sub(start).min(chunk.len());
            let to = range.end.saturating_sub(start).min(chunk.len());
            if from < to {
                part.push(chunk.slice(from..to));
            }
            start += chunk.len();
        }
        part
    }

    /// Adds the octets of another payload at the end.
    pub fn append(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
        } else {
            match other.chunks {
                Chunks::One(chunk) => self.push(chunk),
                Chunks::Many(chunks) => self.extend(chunks),
            }
        }
    }

    /// Copies small chunks, so that a stored payload does not keep its input buffers alive.
    ///
    /// A received chunk shares the block of input that it was read into. A block has up to some hundred KiB
    /// and stays in memory while any part of it is in use. Call this method for payloads that are stored
    /// longer than the events of one read, as in a queue. Chunks of 4 KiB or more stay shared, since a block
    /// is not many times larger than they are.
    ///
    /// ```
    /// use amqp_proto::message::Payload;
    /// use bytes::Bytes;
    ///
    /// let block = Bytes::from(vec![0; 65_536]);
    /// let mut small = Payload::from(block.slice(..100));
    /// small.compact();
    /// assert!(block.is_unique());
    /// ```
    pub fn compact(&mut self) {
        const LARGE: usize = 4096;
        let chunks = match &mut self.chunks {
            Chunks::One(chunk) => core::slice::from_mut(chunk),
            Chunks::Many(chunks) => chunks,
        };
        for chunk in chunks.iter_mut().filter(|chunk| chunk.len() < LARGE) {
            *chunk = Bytes::copy_from_slice(chunk);
        }
    }

    /// Copies all octets into chunks of their own, of this size. Each old chunk is dropped when it is copied.
    pub(crate) fn leave_blocks(&mut self, piece: usize) {
        let old = core::mem::take(self);
        let mut left = old.len;
        let mut copy = BytesMut::new();
        let mut add = |mut chunk: Bytes| {
            while !chunk.is_empty() {
                if copy.is_empty() {
                    copy = BytesMut::with_capacity(left.min(piece));
                }
                let octets = chunk.split_to(chunk.len().min(left.min(piece) - copy.len()));
                copy.extend_from_slice(&octets);
                if copy.len() == left.min(piece) {
                    left -= copy.len();
                    self.push(core::mem::take(&mut copy).freeze());
                }
            }
        };
        match old.chunks {
            Chunks::One(chunk) => add(chunk),
            Chunks::Many(chunks) => chunks.into_iter().for_each(add),
        }
    }

    /// Returns the octets as one buffer: shared if there is one chunk, otherwise copied.
    pub fn to_bytes(&self) -> Bytes {
        match self.chunks() {
            [] => Bytes::new(),
            [chunk] => chunk.clone(),
            chunks => {
                let mut all = BytesMut::with_capacity(self.len);
                chunks.iter().for_each(|chunk| all.extend_from_slice(chunk));
                all.freeze()
            }
        }
    }
}

impl From<Bytes> for Payload {
    #[inline]
    fn from(chunk: Bytes) -> Self {
        match chunk.len() {
            // An empty chunk may share a block.
            0 => Self::new(),
            len => Self { chunks: Chunks::One(chunk), len },
        }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(octets: Vec<u8>) -> Self {
        Bytes::from(octets).into()
    }
}

/// Copies the octets.
impl From<&[u8]> for Payload {
    fn from(octets: &[u8]) -> Self {
        Bytes::copy_from_slice(octets).into()
    }
}

/// Returns the octets in one piece, as [`to_bytes`](Payload::to_bytes) does.
impl From<Payload> for Bytes {
    fn from(payload: Payload) -> Self {
        payload.to_bytes()
    }
}

impl Extend<Bytes> for Payload {
    fn extend<I: IntoIterator<Item = Bytes>>(&mut self, chunks: I) {
        chunks.into_iter().for_each(|chunk| self.push(chunk));
    }
}

/// Iterates over the chunks.
impl<'a> IntoIterator for &'a Payload {
    type Item = &'a Bytes;
    type IntoIter = core::slice::Iter<'a, Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.chunks().iter()
    }
}

impl PartialEq<[u8]> for Payload {
    fn eq(&self, octets: &[u8]) -> bool {
        self.len == octets.len() && self.chunks().iter().flatten().eq(octets)
    }
}

impl FromIterator<Bytes> for Payload {
    fn from_iter<I: IntoIterator<Item = Bytes>>(chunks: I) -> Self {
        let mut payload = Self::new();
        chunks.into_iter().for_each(|chunk| payload.push(chunk));
        payload
    }
}

/// Compares the octets, wherever the chunks are cut.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.chunks().iter().flatten().eq(other.chunks().iter().flatten())
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} octets in {} chunks>", self.len, self.chunks().len())
    }
}
