//! [`Receiver`]: receives messages, and settles them.

use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use amqp_proto::client::{Error, Result};
use amqp_proto::driver::{self, Ending, NextDelivery};
use amqp_proto::types::DeliveryKey;
use amqp_proto::wire;
use futures_core::Stream;

use crate::handles::Delivery;
use crate::reader::MessageReader;

/// A handle of a link on which this end receives, and a [`Stream`](futures_core::Stream) of deliveries.
///
/// Clones are cheap handles of the same link; each message goes to one of them.
///
/// A message is settled by its [`Delivery`] or by its key, from any task, without waiting. [`close`](Self::close)
/// closes the link; so does dropping its last handle and its last `Delivery`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> amqp_tokio::Result<()> {
/// # let connection = amqp_tokio::broker::Broker::new()?.connect().await?;
/// # connection.sender("jobs").await?.send("job-content").await?;
/// use amqp_tokio::wire::{AmqpError, Condition};
///
/// let jobs = connection.receiver("jobs").await?;
/// while let Some(delivery) = jobs.recv().await? {
///     match delivery.message()?.body()?.as_str() {
///         Some("job-content") => delivery.accept(),
///         _ => delivery.reject(AmqpError::new(Condition::InvalidField)),
///     }?;
///     # break;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Receiver {
    link: driver::Receiver<Waker>,
    /// The stream's place in the line for messages.
    next: Option<NextDelivery<Waker>>,
}

impl Receiver {
    /// Waits for the next message; `None` if the link has ended without an error and all messages are taken.
    ///
    /// # Errors
    ///
    /// [`Error::Link`](crate::Error::Link), [`Error::Session`](crate::Error::Session) or
    /// [`Error::Connection`](crate::Error::Connection) if it has ended with an error.
    ///
    /// # Cancel safety
    ///
    /// A dropped future takes no message.
    pub async fn recv(&self) -> Result<Option<Delivery>> {
        driver::Receiver::recv(self).await
    }

    /// Waits for the beginning of the next message on a streaming link, to read the message while it arrives; `None`
    /// if the link has ended without an error.
    ///
    /// # Errors
    ///
    /// See [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// A dropped future takes no message.
    pub async fn recv_reader(&self) -> Result<Option<MessageReader>> {
        Ok(driver::Receiver::read(self).await?.map(MessageReader))
    }

    /// Waits until a delivery is settled at both ends. On a link with rcv-settle-mode second, the sender settles
    /// first.
    ///
    /// # Errors
    ///
    /// [`Error::Link`](crate::Error::Link), [`Error::Session`](crate::Error::Session) or
    /// [`Error::Connection`](crate::Error::Connection) if it ends before.
    ///
    /// # Cancel safety
    ///
    /// A dropped future changes nothing.
    pub async fn settled(&self, delivery: DeliveryKey) -> Result<()> {
        driver::Receiver::settled(self, delivery).await
    }

    /// Drains the link: asks the sender to use all credit or return it, and waits until it has. Messages that used
    /// the credit have arrived by then. Prefetch stops until credit is set again.
    ///
    /// # Errors
    ///
    /// [`Error::Credit`](crate::Error::Credit) if the link is not attached; that of the link's end if it ends
    /// meanwhile.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has begun the drain.
    pub async fn drain(&self) -> Result<()> {
        driver::Receiver::drain(self)?.await
    }

    /// Closes the link for good, and waits until the peer has closed it, too.
    ///
    /// First, this stops the sender and waits for messages on the way, and releases all messages that were not taken,
    /// so that other receivers get them at once. Messages that the sender has settled can still be taken. Deliveries
    /// without an outcome are lost to this link; their queue delivers them again.
    ///
    /// # Errors
    ///
    /// [`Error::Link`](crate::Error::Link), [`Error::Session`](crate::Error::Session) or
    /// [`Error::Connection`](crate::Error::Connection) if the link ended for another reason,
    /// [`Error::TimedOut`](crate::Error::TimedOut) if the peer does not answer in time.
    ///
    /// # Cancel safety
    ///
    /// A dropped future may have stopped the sender or begun to close the link. Call this again to close it.
    pub async fn close(&self) -> Result<()> {
        if let Ok(stopping) = driver::Receiver::stop_before_close(self) {
            // A sender that does not stop in time may send more messages; the close returns them to their queue.
            let _ = stopping.await;
        }
        driver::Receiver::end(self, Ending::Close(None)).await
    }

    /// Closes the link for good, with an error for the peer, and waits until the peer has closed it, too. Messages
    /// that were not taken are released; messages on the way are not waited for.
    ///
    /// # Errors
    ///
    /// See [`close`](Self::close).
    ///
    /// # Cancel safety
    ///
    /// A dropped future has begun to close the link.
    pub async fn close_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        driver::Receiver::end(self, Ending::Close(Some(error.into()))).await
    }

    /// Detaches the link, and waits until the peer has detached it, too. While a handle exists, the link can be
    /// attached again by its name.
    ///
    /// # Errors
    ///
    /// See [`close`](Self::close).
    ///
    /// # Cancel safety
    ///
    /// A dropped future has begun to detach the link.
    pub async fn detach(&self) -> Result<()> {
        driver::Receiver::end(self, Ending::Detach).await
    }

    /// Waits until the link is over, and returns the reason.
    ///
    /// # Cancel safety
    ///
    /// A dropped future changes nothing.
    pub async fn closed(&self) -> Error {
        driver::Receiver::closed(self).await
    }
}

impl Deref for Receiver {
    type Target = driver::Receiver<Waker>;

    fn deref(&self) -> &Self::Target {
        &self.link
    }
}

impl From<driver::Receiver<Waker>> for Receiver {
    fn from(link: driver::Receiver<Waker>) -> Self {
        Self { link, next: None }
    }
}

impl Clone for Receiver {
    fn clone(&self) -> Self {
        self.link.clone().into()
    }
}

impl Stream for Receiver {
    type Item = Result<Delivery>;

    /// Polls for the next message. If the link ends with an error, the error is the last item.
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { link, next } = self.get_mut();
        next.get_or_insert_with(|| driver::Receiver::next(link)).poll(context.waker())
    }
}
