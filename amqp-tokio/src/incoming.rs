//! [`IncomingStream`]: a message that is read while it comes.

use std::task::Waker;

use amqp_proto::client::Result;
use amqp_proto::driver;
use amqp_proto::message::Payload;
use amqp_proto::types::{DeliveryKey, DeliveryTag};
use amqp_proto::wire::{DeliveryState, Modified};

use crate::wait::ready;

/// A message that is read while it comes, in pieces of its encoding. What is not read yet closes the session's window.
///
/// Dropped with nothing decided it is released, and what is left of it is not read any more; see
/// [`Delivery`](crate::Delivery). [`OnDrop::Accept`](crate::config::OnDrop) accepts only what was read to its end.
#[derive(Debug)]
#[must_use = "a message that is dropped with nothing decided is released"]
pub struct IncomingStream {
    message: driver::MessageReader<Waker>,
}

impl IncomingStream {
    pub(crate) fn new(message: driver::MessageReader<Waker>) -> Self {
        Self { message }
    }

    /// Returns the key, by which it can be settled with the methods of its [`Receiver`](crate::Receiver).
    pub fn key(&self) -> DeliveryKey {
        self.message.key()
    }

    /// Returns the sender's name for it; `None` if the sender had settled it.
    pub fn tag(&self) -> Option<DeliveryTag> {
        self.message.tag()
    }

    /// Returns whether it was settled by the sender when it began to come.
    pub fn is_settled(&self) -> bool {
        self.message.is_settled()
    }

    /// Waits for more of the message; `None` once all of it was read.
    ///
    /// Dropped before it is done, this has taken nothing.
    pub async fn read(&mut self) -> Result<Option<Payload>> {
        let part = ready(self.message.part()).await?;
        self.message.note(part)
    }

    /// Waits for more of the body's data: the octets of its data sections, without the encoding around them. Returns
    /// `None` once all of the message was read. Use either this or [`read`](Self::read) on a message.
    ///
    /// # Errors
    ///
    /// [`Error::Message`](crate::Error::Message) where the body is not data; and those of [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, this has taken nothing that is data.
    pub async fn read_data(&mut self) -> Result<Option<Payload>> {
        loop {
            let part = self.read().await?;
            let is_over = part.is_none();
            let data = self.message.data(part)?;
            if is_over || !data.is_empty() {
                return Ok((!is_over).then_some(data));
            }
        }
    }

    /// Waits for all that is left of the message.
    pub async fn read_to_end(&mut self) -> Result<Payload> {
        let mut all = Payload::new();
        while let Some(part) = self.read().await? {
            all.append(part);
        }
        Ok(all)
    }

    /// The message was processed [3.4.2].
    pub fn accept(self) -> Result<()> {
        self.message.accept()
    }

    /// The message is invalid [3.4.3]; it need not have come to its end.
    pub fn reject(self, error: impl Into<Option<amqp_proto::wire::AmqpError>>) -> Result<()> {
        self.message.reject(error)
    }

    /// The message was not processed and may go elsewhere, unchanged [3.4.4].
    pub fn release(self) -> Result<()> {
        self.message.release()
    }

    /// The message was not processed and may go elsewhere, changed [3.4.5].
    pub fn modify(self, modified: Modified) -> Result<()> {
        self.message.modify(modified)
    }

    /// Tells an outcome. What is left of the message is dropped when it comes.
    pub fn dispose(self, state: &DeliveryState) -> Result<()> {
        self.message.dispose(state)
    }

    /// Tells how much of the message is there, as the sender of a long one may want to know: so many sections, and
    /// so many octets of the next [3.4.1].
    pub fn received(&self, section: u32, offset: u64) -> Result<()> {
        self.message.received(section, offset)
    }
}
