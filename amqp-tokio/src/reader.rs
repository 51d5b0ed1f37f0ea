//! [`MessageReader`]: a message that is read while it comes.

use std::future::poll_fn;
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use amqp_proto::client::Result;
use amqp_proto::driver;
use amqp_proto::message::Payload;
use amqp_proto::wire::{self, DeliveryState, Modified};
use tokio::io::{AsyncRead, ReadBuf};

/// A message that is read while it comes, in pieces of its encoding. What is not read yet closes the session's window.
///
/// Dropped with nothing decided it is released, and what is left of it is not read any more; see
/// [`Delivery`](crate::Delivery). [`OnDrop::Accept`](crate::config::OnDrop) accepts only what was read to its end. It is
/// an [`AsyncRead`] of the encoding, too.
#[derive(Debug)]
#[must_use = "a message that is dropped with nothing decided is released"]
pub struct MessageReader(pub(crate) driver::MessageReader<Waker>);

impl MessageReader {
    /// Waits for more of the message; `None` once all of it was read.
    ///
    /// # Errors
    ///
    /// [`Error::Aborted`](crate::Error::Aborted) if the sender has given the message up; how the link ended, if that was
    /// before the end of the message.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, this has taken nothing.
    pub async fn read(&mut self) -> Result<Option<Payload>> {
        poll_fn(|context| driver::MessageReader::poll_read(&mut self.0, context.waker())).await
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
        poll_fn(|context| driver::MessageReader::poll_data(&mut self.0, context.waker())).await
    }

    /// Waits for all that is left of the message.
    pub async fn read_to_end(&mut self) -> Result<Payload> {
        let mut all = Payload::new();
        while let Some(part) = self.read().await? {
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
    type Target = driver::MessageReader<Waker>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl AsyncRead for MessageReader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let space = buffer.initialize_unfilled();
        let reader = &mut self.get_mut().0;
        let octets = ready!(driver::MessageReader::poll_octets(reader, context.waker(), space))?;
        buffer.advance(octets);
        Poll::Ready(Ok(()))
    }
}
