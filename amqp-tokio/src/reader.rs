//! [`MessageReader`]: reads a message while it arrives.

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

/// A message that is read while it arrives, in pieces of its encoding. Octets that are not read yet close the
/// session's window.
///
/// A reader that is dropped without an outcome releases the message, and the rest is not read; see
/// [`Delivery`](crate::Delivery). [`OnDrop::Accept`](crate::config::OnDrop) accepts a message only if it was read to
/// its end. The reader is also an [`AsyncRead`] of the encoding.
#[derive(Debug)]
#[must_use = "a message that is dropped with nothing decided is released"]
pub struct MessageReader(pub(crate) driver::MessageReader<Waker>);

impl MessageReader {
    /// Waits for more octets of the message; `None` at its end.
    ///
    /// # Errors
    ///
    /// [`Error::Aborted`](crate::Error::Aborted) if the sender has aborted the message; that of the link's end if the
    /// link ended before the message.
    ///
    /// # Cancel safety
    ///
    /// A dropped future takes no octets.
    pub async fn read(&mut self) -> Result<Option<Payload>> {
        poll_fn(|context| driver::MessageReader::poll_read(&mut self.0, context.waker())).await
    }

    /// Waits for more data of the body: the octets of its data sections, without their encoding; `None` at the end of
    /// the message. Use either this or [`read`](Self::read) on one message.
    ///
    /// # Errors
    ///
    /// [`Error::Message`](crate::Error::Message) if the body is not data; also those of [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// A dropped future takes no data.
    pub async fn read_data(&mut self) -> Result<Option<Payload>> {
        poll_fn(|context| driver::MessageReader::poll_data(&mut self.0, context.waker())).await
    }

    /// Waits for the rest of the message.
    ///
    /// # Errors
    ///
    /// See [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses the octets that it has read.
    pub async fn read_to_end(&mut self) -> Result<Payload> {
        let mut all = Payload::new();
        while let Some(part) = self.read().await? {
            all.append(part);
        }
        Ok(all)
    }

    /// Accepts the message: it was processed [3.4.2].
    ///
    /// # Errors
    ///
    /// See [`dispose`](Self::dispose).
    pub fn accept(self) -> Result<()> {
        driver::MessageReader::accept(self.0)
    }

    /// Rejects the message: it is invalid [3.4.3]. The message may be incomplete.
    ///
    /// # Errors
    ///
    /// See [`dispose`](Self::dispose).
    pub fn reject(self, error: impl Into<Option<wire::AmqpError>>) -> Result<()> {
        driver::MessageReader::reject(self.0, error.into())
    }

    /// Releases the message: it was not processed and may be delivered again, unchanged [3.4.4].
    ///
    /// # Errors
    ///
    /// See [`dispose`](Self::dispose).
    pub fn release(self) -> Result<()> {
        driver::MessageReader::release(self.0)
    }

    /// Modifies the message: it was not processed and may be delivered again, with changes [3.4.5].
    ///
    /// # Errors
    ///
    /// See [`dispose`](Self::dispose).
    pub fn modify(self, modified: Modified) -> Result<()> {
        driver::MessageReader::modify(self.0, modified)
    }

    /// Sends an outcome. The rest of the message is dropped when it arrives.
    ///
    /// # Errors
    ///
    /// [`Error::Link`](crate::Error::Link), [`Error::Session`](crate::Error::Session) or
    /// [`Error::Connection`](crate::Error::Connection) if one of them is over,
    /// [`Error::Settle`](crate::Error::Settle) if the delivery has an outcome already.
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
