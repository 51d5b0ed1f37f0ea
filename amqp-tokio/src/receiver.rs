//! [`Receiver`]: the handle of a link on which this end receives.

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

/// A link on which this end receives. It is a [`Stream`](futures_core::Stream) of deliveries.
///
/// Clones are cheap and stand for the same link; each message goes to one of them.
///
/// What was received is settled by its [`Delivery`] or by key, from any task, without waiting behind a receive. The
/// link is closed by [`close`](Self::close), or when the last handle of it, a `Delivery` being one, is dropped.
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
    /// The place in line that the stream has.
    next: Option<NextDelivery<Waker>>,
}

impl Receiver {
    /// Waits for the next message; `None` once the link is over without an error and all is taken.
    ///
    /// # Errors
    ///
    /// How the link ended, if that was an error.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, this has taken nothing.
    pub async fn recv(&self) -> Result<Option<Delivery>> {
        driver::Receiver::recv(self).await
    }

    /// Waits for the next message to begin, on a streaming link, to be read while it comes; `None` once the link is over
    /// without an error.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, this has taken nothing.
    pub async fn recv_reader(&self) -> Result<Option<MessageReader>> {
        Ok(driver::Receiver::read(self).await?.map(MessageReader))
    }

    /// Waits until a delivery is settled at both ends, which takes the sender on a link of rcv-settle-mode second.
    pub async fn settled(&self, delivery: DeliveryKey) -> Result<()> {
        driver::Receiver::settled(self, delivery).await
    }

    /// Asks the sender to use the credit that there is or give it back, and waits until it has. What has come for it
    /// is there to be taken then. No more is asked for ahead until credit is set again.
    pub async fn drain(&self) -> Result<()> {
        driver::Receiver::drain(self)?.await
    }

    /// Closes the link for good, and waits until the peer has done the same.
    ///
    /// Before that, the sender is stopped, so that nothing is on its way any more, and messages that were not taken are
    /// released: they go elsewhere at once. Messages that the sender has settled can still be taken. Those that were
    /// taken and not decided about are lost to this link, and their queue has them back.
    pub async fn close(&self) -> Result<()> {
        if let Ok(stopping) = driver::Receiver::stop_before_close(self) {
            // A sender that does not stop in time may have sent more, which its queue has back without that.
            let _ = stopping.await;
        }
        driver::Receiver::end(self, Ending::Close(None)).await
    }

    /// Closes the link for good, saying why, and waits until the peer has done the same. Messages that were not taken
    /// are released; what is on its way is not waited for.
    pub async fn close_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        driver::Receiver::end(self, Ending::Close(Some(error.into()))).await
    }

    /// Detaches the link, so that it can be attached again under its name, as long as a handle of it is kept.
    pub async fn detach(&self) -> Result<()> {
        driver::Receiver::end(self, Ending::Detach).await
    }

    /// Waits until the link is over, and returns how it ended.
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

    /// Polls for the next message. How the link ended, if that was an error, comes last, and then nothing.
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { link, next } = self.get_mut();
        next.get_or_insert_with(|| driver::Receiver::next(link)).poll(context.waker())
    }
}
