//! [`ReceivedMessage`]: a message that has come.

use super::key::{DeliveryKey, ReceiverKey};
use crate::codec::DecodeError;
use crate::machine::Delivery;
use crate::message::{MessageView, Payload};
use crate::types::{DeliveryTag, Limits};
use crate::wire::DeliveryState;

/// A message that has come, and over which link.
#[derive(Debug)]
pub struct ReceivedMessage {
    pub(super) key: DeliveryKey,
    pub(super) receiver: ReceiverKey,
    pub(super) delivery: Delivery,
}

impl ReceivedMessage {
    /// Returns the key that settles it.
    pub fn key(&self) -> DeliveryKey {
        self.key
    }

    /// Returns the link that it came over.
    pub fn receiver(&self) -> ReceiverKey {
        self.receiver
    }

    /// Returns the message, its sections found and not decoded; see [`Delivery::message`].
    pub fn message(&self) -> Result<MessageView, DecodeError> {
        self.delivery.message()
    }

    /// Finds the sections of the message, within limits of the caller's choice.
    pub fn message_within(&self, limits: &Limits) -> Result<MessageView, DecodeError> {
        self.delivery.message_within(limits)
    }

    /// Returns the octets of the message.
    pub fn payload(&self) -> &Payload {
        self.delivery.payload()
    }

    /// Returns the octets of the message.
    pub fn into_payload(self) -> Payload {
        self.delivery.into_payload()
    }

    /// Returns the sender's name for it [2.8.7].
    pub fn tag(&self) -> DeliveryTag {
        self.delivery.tag()
    }

    /// Returns the format of the message; 0 is the standard's own [2.8.11].
    pub fn message_format(&self) -> u32 {
        self.delivery.message_format()
    }

    /// Returns whether the sender has settled it: there is nothing to be told about it any more [2.6.12].
    pub fn is_settled(&self) -> bool {
        self.delivery.is_settled()
    }

    /// Returns the state that the sender told with it, such as that of a transaction [2.7.5].
    pub fn state(&self) -> Option<&DeliveryState> {
        self.delivery.state()
    }
}
