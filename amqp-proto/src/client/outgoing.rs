//! [`Outgoing`]: what is sent, and how.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::config::SendOptions;
use crate::machine::SendError;
use crate::message::{Body, Message, Payload};
use crate::types::{DeliveryKey, DeliveryTag, Str, Value};
use crate::view::SenderMut;
use crate::wire::{DeliveryState, ReceiverSettleMode};

/// A message on its way, and how it is to be sent. Whatever makes a message makes one of these.
///
/// ```
/// use amqp_proto::client::Outgoing;
/// use amqp_proto::message::Message;
///
/// let plain = Outgoing::from("job-content");
/// let at_most_once = Outgoing::from(Message::from("reading").with_subject("power")).settled(true);
/// ```
#[derive(Debug, Clone)]
pub struct Outgoing {
    content: Content,
    options: SendOptions,
}

#[derive(Debug, Clone)]
enum Content {
    Message(Box<Message>),
    /// A message that is these octets and nothing else.
    Data(Bytes),
    Payload(Payload),
}

impl Outgoing {
    fn new(content: Content) -> Self {
        Self { content, options: SendOptions::new() }
    }

    /// Sets the tag, which no other unsettled delivery of the link may have. Default: one is made.
    #[must_use]
    pub fn with_tag(mut self, tag: DeliveryTag) -> Self {
        self.options = self.options.with_tag(tag);
        self
    }

    /// Sets whether it is sent settled: at most once, with no outcome to come. Default: as the link says, else not.
    #[must_use]
    pub fn with_settled(mut self, settled: bool) -> Self {
        self.options = self.options.with_settled(settled);
        self
    }

    /// Sets the format of a payload that is no message of the standard's.
    #[must_use]
    pub fn with_message_format(mut self, format: u32) -> Self {
        self.options = self.options.with_message_format(format);
        self
    }

    /// Sets how the receiver is to settle it. Default: as the link has it.
    #[must_use]
    pub fn with_rcv_settle_mode(mut self, mode: ReceiverSettleMode) -> Self {
        self.options = self.options.with_rcv_settle_mode(mode);
        self
    }

    /// Sets the state that goes with it, such as that of a transaction.
    #[must_use]
    pub fn with_state(mut self, state: DeliveryState) -> Self {
        self.options = self.options.with_state(state);
        self
    }

    /// Encodes it now: not while something is locked, and not again whenever sending is tried.
    pub fn prepare(&mut self) -> Result<(), SendError> {
        if let Content::Message(message) = &self.content {
            self.content = Content::Payload(message.to_payload().map_err(SendError::Unencodable)?);
        }
        Ok(())
    }

    /// Sends it on a link, if that can be done at once.
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

/// The octets of a message that is encoded already, or of another format.
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

macro_rules! from_body {
    ($($type:ty)*) => {$(
        impl From<$type> for Outgoing {
            fn from(body: $type) -> Self {
                Message::from(body).into()
            }
        }
    )*};
}

from_body! { Body &str String Str Value }
