//! [`Payload`]: the octets of a message, in chunks that share the buffers they came in.

use core::fmt;
use core::ops::Range;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

/// The octets of a message, in chunks.
///
/// A message that came in one frame is one chunk; one that came in many has a chunk for each. Nothing is copied
/// when chunks are added or a part is sliced off.
///
/// ```
/// use amqp_proto::message::Payload;
/// use bytes::Bytes;
///
/// let payload: Payload = [Bytes::from_static(b"ab"), Bytes::from_static(b"cd")].into_iter().collect();
/// assert_eq!(payload.len(), 4);
/// assert_eq!(payload.slice(1..3).to_bytes(), "bc");
/// ```
#[derive(Clone, Default)]
pub struct Payload {
    chunks: SmallVec<[Bytes; 1]>,
    len: usize,
}

impl Payload {
    /// No octets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a chunk at the end.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.len += chunk.len();
            self.chunks.push(chunk);
        }
    }

    /// Returns how many octets there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are no octets.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the chunks, none of them empty.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// Returns a part of the octets, without a copy; what lies outside is left out.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let mut part = Self::new();
        let mut start = 0;
        for chunk in &self.chunks {
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
            other.chunks.into_iter().for_each(|chunk| self.push(chunk));
        }
    }

    /// Copies small chunks, so that a payload that is kept does not keep the buffers that they came in.
    ///
    /// A received chunk shares the block of input that it was read into, which is up to some hundred KiB and is held as
    /// a whole by each part of it. Call this for what is kept longer than the events of one read, as a queue does. Chunks
    /// of 4 KiB or more stay shared: a block is not many times as large as they are.
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
        for chunk in self.chunks.iter_mut().filter(|chunk| chunk.len() < LARGE) {
            *chunk = Bytes::copy_from_slice(chunk);
        }
    }

    /// Returns the octets in one piece: shared if they are in one chunk, else copied.
    pub fn to_bytes(&self) -> Bytes {
        match &*self.chunks {
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
            0 => Self::new(),
            len => Self { chunks: SmallVec::from_buf([chunk]), len },
        }
    }
}

impl FromIterator<Bytes> for Payload {
    fn from_iter<I: IntoIterator<Item = Bytes>>(chunks: I) -> Self {
        let mut payload = Self::new();
        chunks.into_iter().for_each(|chunk| payload.push(chunk));
        payload
    }
}

/// Equal octets, however they are cut.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.chunks.iter().flatten().eq(other.chunks.iter().flatten())
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} octets in {} chunks>", self.len, self.chunks.len())
    }
}
