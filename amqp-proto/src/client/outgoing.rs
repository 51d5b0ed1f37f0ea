//! [`Outgoing`]: a message with its send options.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::config::SendOptions;
use crate::machine::SendError;
use crate::message::{Body, Message, Payload};
use crate::types::{Composite, DeliveryKey, DeliveryTag, List, Map, Str, TransactionId, Value};
use crate::view::SenderMut;
#[cfg(feature = "driver")]
use crate::wire::MessageId;
use crate::wire::{DeliveryState, ReceiverSettleMode};

/// A message with its send options. Everything that converts into a message converts into an `Outgoing`.
///
/// ```
/// use amqp_proto::client::Outgoing;
/// use amqp_proto::message::Message;
///
/// let plain = Outgoing::from("job-content");
/// let reading = Message::from("230 V").with_subject("power");
/// let at_most_once = Outgoing::from(reading).with_settled(true);
/// ```
#[derive(Debug, Clone)]
pub struct Outgoing {
    content: Content,
    options: SendOptions,
}

#[derive(Debug, Clone)]
enum Content {
    Message(Box<Message>),
    /// A message that is one data section with these octets.
    Data(Bytes),
    Payload(Payload),
}

impl Outgoing {
    fn new(content: Content) -> Self {
        Self { content, options: SendOptions::new() }
    }

    /// Sets the delivery tag, which must be unique among the unsettled deliveries of the link. Default: the
    /// engine makes one.
    #[must_use]
    pub fn with_tag(mut self, tag: DeliveryTag) -> Self {
        self.options = self.options.with_tag(tag);
        self
    }

    /// Sets whether the delivery is sent settled: at most once, and without an outcome.
    ///
    /// Default: as the link requires, else `false`.
    #[must_use]
    pub fn with_settled(mut self, settled: bool) -> Self {
        self.options = self.options.with_settled(settled);
        self
    }

    /// Sets the format of a payload that is not a message of the standard's format.
    #[must_use]
    pub fn with_message_format(mut self, format: u32) -> Self {
        self.options = self.options.with_message_format(format);
        self
    }

    /// Sets the settlement policy of the receiver for this delivery. Default: that of the link.
    #[must_use]
    pub fn with_rcv_settle_mode(mut self, mode: ReceiverSettleMode) -> Self {
        self.options = self.options.with_rcv_settle_mode(mode);
        self
    }

    /// Sets whether the answer may wait for others to go along with [2.7.5].
    #[must_use]
    pub fn with_batchable(mut self, batchable: bool) -> Self {
        self.options = self.options.with_batchable(batchable);
        self
    }

    /// Sets the state in the transfer, such as that of a transaction.
    #[must_use]
    pub fn with_state(mut self, state: DeliveryState) -> Self {
        self.options = self.options.with_state(state);
        self
    }

    /// Posts the message in a transaction: it becomes available at the commit [4.4.1].
    #[must_use]
    pub fn with_transaction(mut self, transaction: TransactionId) -> Self {
        self.options = self.options.with_transaction(transaction);
        self
    }

    /// Encodes the message, so that [`send`](Self::send) does not encode it under a lock or more than once.
    ///
    /// # Errors
    ///
    /// [`SendError::Unencodable`] if the message cannot be encoded.
    pub fn prepare(&mut self) -> Result<(), SendError> {
        if let Content::Message(message) = &self.content {
            self.content = Content::Payload(message.to_payload().map_err(SendError::Unencodable)?);
        }
        Ok(())
    }

    /// Encodes the message like [`prepare`](Self::prepare), with this message-id if it has none. An encoded message stays
    /// as it is.
    ///
    /// # Errors
    ///
    /// As [`prepare`](Self::prepare).
    #[cfg(feature = "driver")]
    pub(crate) fn prepare_with_id(&mut self, id: impl FnOnce() -> MessageId) -> Result<(), SendError> {
        if let Content::Data(octets) = &self.content {
            self.content = Content::Message(Box::new(Message::from(octets.clone())));
        }
        if let Content::Message(message) = &mut self.content
            && message.properties().message_id.is_none()
        {
            **message = (**message).clone().with_message_id(id());
        }
        self.prepare()
    }

    /// Returns the delivery tag, if it was set.
    #[cfg(feature = "driver")]
    pub(crate) fn tag(&self) -> Option<&DeliveryTag> {
        self.options.tag.as_ref()
    }

    /// Returns `true` if the message is posted in a transaction.
    #[cfg(feature = "driver")]
    pub(crate) fn is_in_transaction(&self) -> bool {
        matches!(self.options.state, Some(DeliveryState::Transactional(_)))
    }

    /// Returns the encoded message; `None` if it is not encoded yet, or cannot be.
    #[cfg(feature = "driver")]
    pub(crate) fn to_payload(&self) -> Option<Payload> {
        match &self.content {
            Content::Message(message) => message.to_payload().ok(),
            Content::Data(octets) => Message::from(octets.clone()).to_payload().ok(),
            Content::Payload(payload) => Some(payload.clone()),
        }
    }

    /// Returns the number of octets of an encoded message.
    #[cfg(feature = "driver")]
    pub(crate) fn len(&self) -> usize {
        match &self.content {
            Content::Message(_) => 0,
            Content::Data(octets) => octets.len(),
            Content::Payload(payload) => payload.len(),
        }
    }

    /// Sends the message on a link.
    ///
    /// # Errors
    ///
    /// As [`SenderMut::send_with`].
    pub fn send(&self, sender: &mut SenderMut<'_>) -> Result<DeliveryKey, SendError> {
        match &self.content {
            Content::Message(message) => sender.send_with(message, &self.options),
            Content::Data(octets) => sender.send_data(octets, &self.options),
            Content::Payload(payload) => sender.send_payload(payload, &self.options),
        }
    }
}

impl From<Message> for Outgoing {
    fn from(message: Message) -> Self {
        Self::new(Content::Message(Box::new(message)))
    }
}

/// Makes an `Outgoing` of an encoded message, or of a message of another format.
impl From<Payload> for Outgoing {
    fn from(payload: Payload) -> Self {
        Self::new(Content::Payload(payload))
    }
}

impl From<Bytes> for Outgoing {
    fn from(octets: Bytes) -> Self {
        Self::new(Content::Data(octets))
    }
}

impl From<Vec<u8>> for Outgoing {
    fn from(octets: Vec<u8>) -> Self {
        Bytes::from(octets).into()
    }
}

impl From<&[u8]> for Outgoing {
    fn from(octets: &[u8]) -> Self {
        Bytes::copy_from_slice(octets).into()
    }
}

impl<const LEN: usize> From<&[u8; LEN]> for Outgoing {
    fn from(octets: &[u8; LEN]) -> Self {
        octets.as_slice().into()
    }
}

impl<T: Composite> From<T> for Outgoing {
    fn from(composite: T) -> Self {
        Message::from(Body::from(composite)).into()
    }
}

macro_rules! from_body {
    ($($type:ty)*) => {$(
        impl From<$type> for Outgoing {
            fn from(body: $type) -> Self {
                Message::from(body).into()
            }
        }
    )*};
}

from_body! { Body &str String &String Str Value List Map bool u32 u64 i32 i64 f64 }
