//! [`DeadLetter`]: messages that nobody gets.

use amqp_proto::codec::DecodeError;
use amqp_proto::message::{MessageView, Payload};
use amqp_proto::types::{Limits, Str};
use amqp_proto::wire;

/// A message that was kept apart, since no consumer is to get it.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    pub(super) address: Str,
    pub(super) reason: Reason,
    pub(super) payload: Payload,
}

/// Why a message was kept apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A consumer has rejected it.
    Rejected(Option<wire::Error>),
    /// It names no address to go to.
    Undeliverable,
    /// The node that it waited at is gone.
    NodeGone,
}

impl DeadLetter {
    /// The address that it was sent to; empty if there was none.
    pub fn address(&self) -> &Str {
        &self.address
    }

    /// Why it was kept apart.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The octets of the message.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The message.
    pub fn message(&self) -> Result<MessageView, DecodeError> {
        MessageView::new(self.payload.clone(), &Limits::DEFAULT)
    }
}
