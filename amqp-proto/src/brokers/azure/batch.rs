//! [`Batch`]: several messages in one transfer.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::codec::{DecodeError, EncodeError};
use crate::message::{Body, Message};
use crate::types::Limits;

/// The octets around an encoded message of up to 255 octets in a data section, and around a larger one.
const AROUND_SMALL: usize = 5;
const AROUND_LARGE: usize = 8;

/// Several messages in one transfer, which Service Bus and Event Hubs enqueue together or not at all.
///
/// A batch is sent with the message format [`FORMAT`](Self::FORMAT). All messages go to one partition or session: the
/// message that [`into_message`](Self::into_message) returns takes its key.
///
/// ```
/// use amqp_proto::brokers::azure::Batch;
/// use amqp_proto::config::SendOptions;
/// use amqp_proto::message::Message;
/// use amqp_proto::types::Limits;
///
/// let mut batch = Batch::new(256 * 1024);
/// batch.push(&Message::from("first"))?;
/// batch.push(&Message::from("second"))?;
/// let message = batch.into_message();
/// let options = SendOptions::new().with_message_format(Batch::FORMAT);
///
/// let messages = Batch::messages(message.body(), &Limits::default())?;
/// assert_eq!(messages[1], Message::from("second"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Batch {
    messages: Vec<Bytes>,
    octets: usize,
    most: usize,
}

impl Batch {
    /// The message format of a batch.
    pub const FORMAT: u32 = 0x8001_3700;

    /// Returns an empty batch whose body takes at most so many octets. What the peer accepts is the max-message-size of
    /// its attach, in which annotations of the batch have to fit, too.
    pub const fn new(most: usize) -> Self {
        Self { messages: Vec::new(), octets: 0, most }
    }

    /// Adds a message.
    ///
    /// # Errors
    ///
    /// [`BatchError::Full`] if the body would become too large, [`BatchError::Encode`] if the message cannot be encoded.
    /// The batch is then as it was before.
    pub fn push(&mut self, message: &Message) -> Result<(), BatchError> {
        let message = message.to_payload().map_err(BatchError::Encode)?.to_bytes();
        let around = if message.len() <= usize::from(u8::MAX) { AROUND_SMALL } else { AROUND_LARGE };
        let octets = self.octets.saturating_add(message.len()).saturating_add(around);
        if octets > self.most {
            return Err(BatchError::Full);
        }
        self.octets = octets;
        self.messages.push(message);
        Ok(())
    }

    /// Returns the number of messages.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Returns `true` if there are no messages.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns the octets that the body takes.
    pub const fn octets(&self) -> usize {
        self.octets
    }

    /// Converts into the message to send.
    pub fn into_message(self) -> Message {
        Message::new(Body::Data(self.messages.into()))
    }

    /// Returns the messages in the body of a batch.
    ///
    /// # Errors
    ///
    /// [`BatchError::NoBatch`] if the body is not data, [`BatchError::Decode`] if a message cannot be decoded.
    pub fn messages(body: &Body, limits: &Limits) -> Result<Vec<Message>, BatchError> {
        let Body::Data(messages) = body else { return Err(BatchError::NoBatch) };
        let read = |(index, message): (usize, &Bytes)| {
            Message::decode(message.clone(), limits).map_err(|error| BatchError::Decode { index, error })
        };
        messages.iter().enumerate().map(read).collect()
    }
}

/// The error of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchError {
    /// The message does not fit into the batch.
    Full,
    /// The message cannot be encoded.
    Encode(EncodeError),
    /// The body is not data.
    NoBatch,
    /// A message cannot be decoded.
    Decode {
        /// The place of the message in the batch, from 0.
        index: usize,
        /// The cause.
        error: DecodeError,
    },
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the message does not fit into the batch"),
            Self::Encode(error) => error.fmt(f),
            Self::NoBatch => f.write_str("the body of a batch is data"),
            Self::Decode { index, error } => write!(f, "message {index} of the batch: {error}"),
        }
    }
}

impl core::error::Error for BatchError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Encode(error) => error.source(),
            Self::Decode { error, .. } => Some(error),
            Self::Full | Self::NoBatch => None,
        }
    }
}
