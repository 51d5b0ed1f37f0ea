//! [`Incoming`]: a message that has come.

use super::key::{DeliveryKey, ReceiverKey};
use crate::codec::DecodeError;
use crate::machine::Delivery;
use crate::message::{MessageView, Payload};
use crate::types::{DeliveryTag, Limits};
use crate::wire::DeliveryState;

/// A message that has come, and over which link.
#[derive(Debug)]
pub struct Incoming {
    pub(super) key: DeliveryKey,
    pub(super) receiver: ReceiverKey,
    pub(super) delivery: Delivery,
}

impl Incoming {
    /// What it is settled by.
    pub fn key(&self) -> DeliveryKey {
        self.key
    }

    /// The link that it came over.
    pub fn receiver(&self) -> ReceiverKey {
        self.receiver
    }

    /// The message, its sections found and not decoded; see [`Delivery::message`].
    pub fn message(&self) -> Result<MessageView, DecodeError> {
        self.delivery.message()
    }

    /// The same, within other limits.
    pub fn message_within(&self, limits: &Limits) -> Result<MessageView, DecodeError> {
        self.delivery.message_within(limits)
    }

    /// The octets of the message.
    pub fn payload(&self) -> &Payload {
        self.delivery.payload()
    }

    /// The octets of the message.
    pub fn into_payload(self) -> Payload {
        self.delivery.into_payload()
    }

    /// The sender's name for it [2.8.7].
    pub fn tag(&self) -> DeliveryTag {
        self.delivery.tag()
    }

    /// The format of the message; 0 is the standard's own (T-XFER-22).
    pub fn message_format(&self) -> u32 {
        self.delivery.message_format()
    }

    /// Whether the sender has settled it: there is nothing to be told about it any more (T-DISP-14).
    pub fn is_settled(&self) -> bool {
        self.delivery.is_settled()
    }

    /// The state that the sender told with it, such as that of a transaction (T-XFER-18).
    pub fn state(&self) -> Option<&DeliveryState> {
        self.delivery.state()
    }
}
