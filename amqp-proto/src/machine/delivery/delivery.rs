//! [`Delivery`]: a received message.

use core::fmt;

use alloc::boxed::Box;

use super::record::Tag;
use crate::codec::DecodeError;
use crate::machine::link::Arrival;
use crate::message::{MessageView, Payload};
use crate::types::{DecodingLimits, DeliveryKey, DeliveryTag, Key, Limits, SessionIx};
use crate::wire::DeliveryState;

/// A complete received message, with its tag, format and state.
#[derive(Clone)]
#[must_use = "the sender waits for an outcome, unless the delivery is settled"]
pub struct Delivery {
    key: DeliveryKey,
    tag: Tag,
    message_format: u32,
    settled: bool,
    /// The limits of its connection.
    limits: DecodingLimits,
    payload: Payload,
    state: Option<Box<DeliveryState>>,
}

impl Delivery {
    /// Returns the delivery of an arrival, without the fields for the session's window, since a delivery is
    /// moved often.
    #[inline]
    pub(super) fn new(session: Key<SessionIx>, arrival: Arrival, limits: DecodingLimits) -> Self {
        let Arrival { number, tag, message_format, settled, payload, state, .. } = arrival;
        let key = DeliveryKey::received(session, number);
        Self { key, tag, message_format, settled, limits, payload, state }
    }

    /// Returns the key, to settle the delivery.
    #[inline]
    pub fn key(&self) -> DeliveryKey {
        self.key
    }

    /// Returns the delivery tag, which the sender has chosen [2.8.7].
    pub fn tag(&self) -> DeliveryTag {
        DeliveryTag::from(&self.tag)
    }

    /// Returns the format of the message; 0 is the standard's own format [2.8.11].
    pub fn message_format(&self) -> u32 {
        self.message_format
    }

    /// Returns `true` if the sender has settled the delivery: no outcome is sent [2.6.12].
    #[inline]
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Returns the state in the transfer, such as that of a transaction [2.7.5].
    pub fn state(&self) -> Option<&DeliveryState> {
        self.state.as_deref()
    }

    /// Returns the number of failed deliveries of the message in its header; 0 if the header cannot be read.
    pub fn failed_before(&self) -> u32 {
        self.message().and_then(|message| message.header()).map_or(0, |header| header.delivery_count)
    }

    /// Returns the octets of the message, in the buffers in which they arrived.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Converts into the octets of the message.
    pub fn into_payload(self) -> Payload {
        self.payload
    }

    /// Returns the message, its sections found but not decoded. The [`Limits`] of the connection bound the
    /// decoding.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the octets are not a message of the standard's format, or if a limit is exceeded.
    /// The delivery can still be rejected.
    pub fn message(&self) -> Result<MessageView, DecodeError> {
        MessageView::within(self.payload.clone(), self.limits)
    }

    /// Returns the message, read within these limits.
    ///
    /// # Errors
    ///
    /// As [`message`](Self::message).
    pub fn message_within(&self, limits: &Limits) -> Result<MessageView, DecodeError> {
        MessageView::new(self.payload().clone(), limits)
    }
}

/// Compares the keys.
impl PartialEq for Delivery {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Delivery {}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, tag {:?}: {:?}", self.key(), self.tag(), self.payload())
    }
}

/// A part of a message that is read as it arrives.
#[derive(Debug)]
#[non_exhaustive]
pub struct Part {
    /// The octets that have arrived since the previous part; may be empty.
    pub payload: Payload,
    /// The end of the part: whether more follows.
    pub end: PartEnd,
}

/// The end of a part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartEnd {
    /// More octets follow, with an event [`Data`](crate::Event::Data).
    More,
    /// The message is complete.
    Complete,
    /// The sender has aborted the message: discard its octets [2.6.14].
    Aborted,
}
