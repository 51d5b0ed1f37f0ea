//! [`MessageReader`]: a message that is read while it comes.

use std::io::{self, Read};
use std::ops::Deref;
use std::thread::Thread;

use amqp_proto::client::Result;
use amqp_proto::driver;
use amqp_proto::message::Payload;
use amqp_proto::wire::{self, DeliveryState, Modified};

use crate::wait::parked;

/// A message that is read while it comes, in pieces of its encoding. What is not read yet closes the session's window.
///
/// Dropped with nothing decided it is released, and what is left of it is not read any more; see
/// [`Delivery`](crate::Delivery). [`OnDrop::Accept`](crate::config::OnDrop) accepts only what was read to its end. It is
/// a [`Read`] of the encoding, too.
#[derive(Debug)]
#[must_use = "a message that is dropped with nothing decided is released"]
pub struct MessageReader(pub(crate) driver::MessageReader<Thread>);

impl MessageReader {
    /// Waits for more of the message; `None` once all of it was read.
    ///
    /// # Errors
    ///
    /// [`Error::Aborted`](crate::Error::Aborted) if the sender has given the message up; how the link ended, if that was
    /// before the end of the message.
    pub fn read(&mut self) -> Result<Option<Payload>> {
        parked(|me| driver::MessageReader::poll_read(&mut self.0, me))
    }

    /// Waits for more of the body's data: the octets of its data sections, without the encoding around them. Returns
    /// `None` once all of the message was read. Use either this or [`read`](Self::read) on a message.
    ///
    /// # Errors
    ///
    /// [`Error::Message`](crate::Error::Message) where the body is not data; and those of [`read`](Self::read).
    pub fn read_data(&mut self) -> Result<Option<Payload>> {
        parked(|me| driver::MessageReader::poll_data(&mut self.0, me))
    }

    /// Waits for all that is left of the message.
    pub fn read_to_end(&mut self) -> Result<Payload> {
        let mut all = Payload::new();
        while let Some(part) = self.read()? {
            all.append(part);
        }
        Ok(all)
    }

    /// Accepts the message: it was processed [3.4.2].
    pub fn accept(self) -> Result<()> {
        driver::MessageReader::accept(self.0)
    }

    /// Rejects the message: it is invalid [3.4.3]. It need not have come to its end.
    pub fn reject(self, error: impl Into<Option<wire::AmqpError>>) -> Result<()> {
        driver::MessageReader::reject(self.0, error.into())
    }

    /// Releases the message, unprocessed and unchanged [3.4.4].
    pub fn release(self) -> Result<()> {
        driver::MessageReader::release(self.0)
    }

    /// Releases the message, unprocessed and changed [3.4.5].
    pub fn modify(self, modified: Modified) -> Result<()> {
        driver::MessageReader::modify(self.0, modified)
    }

    /// Tells an outcome. What is left of the message is dropped when it comes.
    pub fn dispose(self, state: &DeliveryState) -> Result<()> {
        driver::MessageReader::dispose(self.0, state)
    }
}

impl Deref for MessageReader {
    type Target = driver::MessageReader<Thread>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Read for MessageReader {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        parked(|me| driver::MessageReader::poll_octets(&mut self.0, me, space))
    }
}
