//! [`Receiver`]: receives messages, and settles them.

use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use amqp_proto::client::Result;
use amqp_proto::driver::{self, NextDelivery};
use futures_core::Stream;

use crate::reader::MessageReader;

/// A received message. Dropping it without an outcome releases it.
pub type Delivery = driver::Delivery<Waker>;

/// A link on which this end receives. It is a [`Stream`](futures_core::Stream) of deliveries.
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

driver::skin::receiver!(async);

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
