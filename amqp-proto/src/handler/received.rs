//! [`ReceivedMessage`]: a received message of a handler.

use super::token::{DeliveryToken, ReceiverToken};
use crate::codec::DecodeError;
use crate::machine::Delivery;
use crate::message::{MessageView, Payload};
use crate::types::{DeliveryTag, Limits};
use crate::wire::DeliveryState;

/// A received message, and its link.
#[derive(Debug)]
pub struct ReceivedMessage {
    pub(super) token: DeliveryToken,
    pub(super) receiver: ReceiverToken,
    pub(super) delivery: Delivery,
}

impl ReceivedMessage {
    /// Returns the token of the delivery, to settle it.
    pub fn token(&self) -> DeliveryToken {
        self.token
    }

    /// Returns the link of the message.
    pub fn receiver(&self) -> ReceiverToken {
        self.receiver
    }

    /// Returns the message, its sections found but not decoded; see [`Delivery::message`].
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the octets are not a message of the standard's format, or if a limit is exceeded.
    pub fn message(&self) -> Result<MessageView, DecodeError> {
        self.delivery.message()
    }

    /// Returns the message, read within these limits.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the octets are not a message of the standard's format, or if a limit is exceeded.
    pub fn message_within(&self, limits: &Limits) -> Result<MessageView, DecodeError> {
        self.delivery.message_within(limits)
    }

    /// Returns the octets of the message.
    pub fn payload(&self) -> &Payload {
        self.delivery.payload()
    }

    /// Converts into the octets of the message.
    pub fn into_payload(self) -> Payload {
        self.delivery.into_payload()
    }

    /// Returns the delivery tag [2.8.7].
    pub fn tag(&self) -> DeliveryTag {
        self.delivery.tag()
    }

    /// Returns the format of the message; 0 is the standard's own format [2.8.11].
    pub fn message_format(&self) -> u32 {
        self.delivery.message_format()
    }

    /// Returns `true` if the sender has settled the delivery: no outcome is sent [2.6.12].
    pub fn is_settled(&self) -> bool {
        self.delivery.is_settled()
    }

    /// Returns the state in the transfer, such as that of a transaction [2.7.5].
    pub fn state(&self) -> Option<&DeliveryState> {
        self.delivery.state()
    }
}
