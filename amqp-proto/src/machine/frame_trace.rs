//! [`TracedFrame`]: a frame or protocol header, as a trace hook sees it.

use core::fmt;

use alloc::boxed::Box;
use bytes::Bytes;

use crate::types::{Channel, Limits};
use crate::wire::{Frame, FrameHeader, ProtocolHeader, RawFrame};

/// The direction of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

/// A frame or protocol header that is read or queued for writing. `Display` prints one line, without
/// credentials.
///
/// ```text
/// -> [0] transfer { handle: 0, delivery_id: 0, .. } + 16 octets
/// ```
#[derive(Clone, Copy)]
pub struct TracedFrame<'a> {
    direction: Direction,
    octets: &'a [u8],
    payload: usize,
}

impl<'a> TracedFrame<'a> {
    pub(crate) fn new(direction: Direction, octets: &'a [u8], payload: usize) -> Self {
        Self { direction, octets, payload }
    }

    /// Returns the direction of the frame.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Returns the octets: a whole received frame, or a sent frame up to its payload. SASL frames may contain
    /// credentials.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Returns the length of the payload that follows [`octets`](Self::octets).
    pub fn payload(&self) -> usize {
        self.payload
    }

    /// Returns the channel, or `None` for a protocol header.
    pub fn channel(&self) -> Option<Channel> {
        let header = FrameHeader::decode(self.octets, u32::MAX).ok()??;
        (!self.octets.starts_with(b"AMQP")).then_some(header.channel)
    }

    /// Returns the decoded frame, or `None` for a protocol header and for octets that cannot be decoded.
    pub fn frame(&self) -> Option<Frame> {
        if self.octets.starts_with(b"AMQP") {
            return None;
        }
        let header = FrameHeader::decode(self.octets, u32::MAX).ok()??;
        RawFrame { header, octets: Bytes::copy_from_slice(self.octets) }.decode(&Limits::DEFAULT).ok()
    }
}

impl fmt::Display for TracedFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.direction {
            Direction::In => "<- ",
            Direction::Out => "-> ",
        })?;
        match (ProtocolHeader::decode(self.octets), self.frame()) {
            (Ok(Some(header)), _) => write!(f, "{header:?}"),
            (_, Some(frame)) if self.payload > 0 => write!(f, "{frame} + {} octets", self.payload),
            (_, Some(frame)) => write!(f, "{frame}"),
            (_, None) => write!(f, "{} octets that are no frame", self.octets.len()),
        }
    }
}

impl fmt::Debug for TracedFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The hook that sees every frame.
#[derive(Default)]
pub(crate) struct FrameTrace(Option<Hook>);

type Hook = Box<dyn FnMut(&TracedFrame<'_>) + Send>;

impl FrameTrace {
    pub(crate) fn set(&mut self, hook: impl FnMut(&TracedFrame<'_>) + Send + 'static) {
        self.0 = Some(Box::new(hook));
    }

    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    #[cold]
    pub(crate) fn show(&mut self, direction: Direction, octets: &[u8], payload: usize) {
        if let Some(hook) = &mut self.0 {
            hook(&TracedFrame::new(direction, octets, payload));
        }
    }
}

impl fmt::Debug for FrameTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() { "on" } else { "off" })
    }
}
