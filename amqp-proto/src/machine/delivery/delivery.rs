//! [`Delivery`]: what a receiver takes out of its link.

use core::fmt;

use alloc::boxed::Box;

use super::record::Tag;
use crate::codec::DecodeError;
use crate::machine::link::Arrival;
use crate::message::{MessageView, Payload};
use crate::types::{DecodingLimits, DeliveryKey, DeliveryTag, Key, Limits};
use crate::wire::DeliveryState;

/// A message that was received whole, and what came with it.
#[derive(Clone)]
#[must_use = "the sender waits for an outcome, unless the delivery is settled"]
pub struct Delivery {
    key: DeliveryKey,
    tag: Tag,
    message_format: u32,
    settled: bool,
    /// Those of the connection that it came over.
    limits: DecodingLimits,
    payload: Payload,
    state: Option<Box<DeliveryState>>,
}

impl Delivery {
    /// Makes one of what has arrived on a session. What only the session's window needs is left out: a delivery is moved
    /// often.
    #[inline]
    pub(super) fn new(session: Key, arrival: Arrival, limits: DecodingLimits) -> Self {
        let Arrival { number, tag, message_format, settled, payload, state, .. } = arrival;
        let key = DeliveryKey::received(session, number);
        Self { key, tag, message_format, settled, limits, payload, state }
    }

    /// Returns the key that settles it.
    #[inline]
    pub fn key(&self) -> DeliveryKey {
        self.key
    }

    /// Returns the sender's name for it [2.8.7].
    pub fn tag(&self) -> DeliveryTag {
        DeliveryTag::from(&self.tag)
    }

    /// Returns the format of the message; 0 is the standard's own [2.8.11].
    pub fn message_format(&self) -> u32 {
        self.message_format
    }

    /// Returns whether the sender has settled it: there is nothing to be told about it any more [2.6.12].
    #[inline]
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Returns the state that the sender told with it, such as that of a transaction [2.7.5].
    pub fn state(&self) -> Option<&DeliveryState> {
        self.state.as_deref()
    }

    /// Returns how many deliveries of the message have failed before, as its header says; 0 if that cannot be read.
    pub fn failed_before(&self) -> u32 {
        self.message().and_then(|message| message.header()).map_or(0, |header| header.delivery_count)
    }

    /// Returns the octets of the message, in the buffers that they came in.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Returns the octets of the message.
    pub fn into_payload(self) -> Payload {
        self.payload
    }

    /// Finds the sections of the message, and decodes none. The [`Limits`] of the connection bound what is decoded of
    /// it.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] where the octets are no message of the standard's format: the delivery can be rejected.
    pub fn message(&self) -> Result<MessageView, DecodeError> {
        self.message_within(&self.limits.into())
    }

    /// Finds the sections of the message, within limits of the caller's choice.
    ///
    /// # Errors
    ///
    /// See [`message`](Self::message).
    pub fn message_within(&self, limits: &Limits) -> Result<MessageView, DecodeError> {
        MessageView::new(self.payload().clone(), limits)
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, tag {:?}: {:?}", self.key(), self.tag(), self.payload())
    }
}

/// A part of a message that is read while it comes.
#[derive(Debug)]
pub struct Part {
    /// The octets that have come since the part before; may be none.
    pub payload: Payload,
    /// Says if there is more to come.
    pub end: PartEnd,
}

/// Says what follows a part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartEnd {
    /// More, when the link has an event of [`Data`](crate::Event::Data).
    More,
    /// Nothing: the message is complete.
    Complete,
    /// Nothing: the sender has given it up, and what has come of it is void [2.6.14].
    Aborted,
}
