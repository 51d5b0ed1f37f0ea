//! [`Step`]: what one end of a connection sends.

use std::fmt;

use amqp_proto::wire::{Frame, ProtocolHeader};
use bytes::Bytes;

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    /// The end that opened the connection.
    Client,
    Server,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// One value for each end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Both<T> {
    pub(crate) client: T,
    pub(crate) server: T,
}

impl<T> Both<T> {
    pub(crate) fn of(&self, side: Side) -> &T {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    pub(crate) fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

/// Where a step stands in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this packet, counted from 1, at this offset of its direction of the connection.
    Packet { number: u64, offset: u64 },
    /// On this line, counted from 1.
    Line(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet { number, offset } => write!(f, "packet {number}, offset {offset}"),
            Self::Line(number) => write!(f, "line {number}"),
        }
    }
}

/// The content of a step.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Header(ProtocolHeader),
    /// A frame, and the length of its payload. A trace has no payloads.
    Frame(Box<Frame>, usize),
    /// A remark about the octets, which are no fault of this end: missing ones, or the end of the connection.
    Remark(String),
    /// Octets that are wrong, and why.
    Fault(String),
}

/// A header or frame, or a remark, in the order in which the capture has them.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) from: Side,
    /// The time in nanoseconds since the capture began. A trace has no times.
    pub(crate) at: Option<u64>,
    pub(crate) place: Place,
    pub(crate) what: What,
    /// The octets of the header or frame. A trace has none.
    pub(crate) octets: Bytes,
}
