//! [`Sender`]: sends messages.

use std::future::Future;
use std::task::Waker;

use amqp_proto::client::{Error, Outgoing, Result};
use amqp_proto::config::SendOptions;
use amqp_proto::driver::{self, Ending};
use amqp_proto::wire::{self, Outcome};
use tokio::time::{Instant, timeout_at};

use crate::sent::{Sent, SentOutcomes};
use crate::writer::MessageWriter;

/// A handle of a link on which this end sends. Clones are cheap handles of the same link.
///
/// Senders wait for credit in turn; once a message has credit, nothing else delays it. [`close`](Self::close) closes
/// the link; so does dropping its last handle and its last [`Sent`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> amqp_tokio::Result<()> {
/// # let connection = amqp_tokio::broker::Broker::new()?.connect().await?;
/// use amqp_tokio::wire::Outcome;
///
/// let jobs = connection.sender("jobs").await?;
/// // Waits for credit, then for the outcome.
/// assert_eq!(jobs.send("one").await?, Outcome::Accepted);
///
/// // Waits for credit only.
/// let two = jobs.send_queued("two").await?;
/// let three = jobs.send_queued("three").await?;
/// assert_eq!((two.await?, three.await?), (Outcome::Accepted, Outcome::Accepted));
/// jobs.close().await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Sender(pub(crate) driver::Sender<Waker>);

impl Sender {
    /// Sends a message, and waits for its outcome.
    ///
    /// This waits for credit first. Both waits can last, as when a broker is short of memory or its replicas have no
    /// majority; [`with_send_timeout`](crate::SenderBuilder::with_send_timeout) bounds them together. A message that
    /// is sent settled has no outcome, and counts as accepted once it is queued.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if there was no credit in time, and nothing was sent; [`Error::Unconfirmed`] if the
    /// message was sent but its outcome is not known in time; [`Error::Lost`] if the link ended before the outcome
    /// was known.
    ///
    /// # Cancel safety
    ///
    /// A dropped future may have sent the message; then its outcome stays unknown.
    pub async fn send(&self, message: impl Into<Outgoing>) -> Result<Outcome> {
        let by = self.send_by();
        let sent = self.queue(message, by).await?;
        within(by, sent, Error::Unconfirmed).await
    }

    /// Sends a message once it has credit, without waiting for its outcome. The result is a future of the outcome,
    /// which need not be awaited.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if there was no credit within the [send timeout](crate::SenderBuilder::with_send_timeout),
    /// and nothing was sent; that of the link's end if the link is over.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has sent nothing.
    pub async fn send_queued(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        self.queue(message, self.send_by()).await
    }

    /// Sends a message now, or not at all: if there is no credit, or another task waits for credit, it is not sent.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the message cannot be sent now; nothing was sent then.
    pub fn try_send(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        driver::Sender::try_send(self, message).map(Sent)
    }

    /// Begins a message in pieces of any total length, once it has credit. The link sends no other message until this
    /// one is finished or aborted.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if `options` contradict the link; that of the link's end if the link is over.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has begun no message.
    pub async fn writer(&self, options: SendOptions) -> Result<MessageWriter> {
        driver::Sender::begin(self, options).await.map(MessageWriter)
    }

    /// Waits until a message can be sent: there is credit, and no other task waits for it.
    ///
    /// # Errors
    ///
    /// [`Error::Link`], [`Error::Session`] or [`Error::Connection`] if the link is over.
    ///
    /// # Cancel safety
    ///
    /// A dropped future changes nothing.
    pub async fn sendable(&self) -> Result<()> {
        driver::Sender::sendable(self).await
    }

    /// Returns a stream of the outcomes of all messages on the link, for one task that handles all of them.
    pub fn outcomes(&self) -> SentOutcomes {
        SentOutcomes(driver::Sender::outcomes(self))
    }

    /// Closes the link for good, after all sent messages are written, and waits until the peer has closed it, too.
    /// Deliveries that are then unsettled have no outcome.
    ///
    /// # Errors
    ///
    /// [`Error::Link`], [`Error::Session`] or [`Error::Connection`] if the link ended for another reason,
    /// [`Error::TimedOut`] if the peer does not answer in time.
    ///
    /// # Cancel safety
    ///
    /// A dropped future may have begun to close the link. Call this again to close it.
    pub async fn close(&self) -> Result<()> {
        driver::Sender::written(self).await?;
        driver::Sender::end(self, Ending::Close(None)).await
    }

    /// Closes the link at once, with an error for the peer, and waits until the peer has closed it, too.
    ///
    /// # Errors
    ///
    /// See [`close`](Self::close).
    ///
    /// # Cancel safety
    ///
    /// A dropped future has begun to close the link.
    pub async fn close_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        driver::Sender::end(self, Ending::Close(Some(error.into()))).await
    }

    /// Detaches the link after all sent messages are written, and waits until the peer has detached it, too. While a
    /// handle exists, the link can be attached again by its name.
    ///
    /// # Errors
    ///
    /// See [`close`](Self::close).
    ///
    /// # Cancel safety
    ///
    /// A dropped future may have begun to detach the link. Call this again to detach it.
    pub async fn detach(&self) -> Result<()> {
        driver::Sender::written(self).await?;
        driver::Sender::end(self, Ending::Detach).await
    }

    /// Waits until the link is over, and returns the reason.
    ///
    /// # Cancel safety
    ///
    /// A dropped future changes nothing.
    pub async fn closed(&self) -> Error {
        driver::Sender::closed(self).await
    }

    /// Returns the time by which a message sent now must have its outcome.
    fn send_by(&self) -> Option<Instant> {
        Instant::now().checked_add(self.send_timeout()?)
    }

    async fn queue(&self, message: impl Into<Outgoing>, by: Option<Instant>) -> Result<Sent> {
        within(by, driver::Sender::queue(self, message)?, Error::TimedOut).await.map(Sent)
    }
}

/// Waits until `by` at the latest; then the error is `late`.
async fn within<R>(by: Option<Instant>, work: impl Future<Output = Result<R>>, late: Error) -> Result<R> {
    match by {
        Some(by) => timeout_at(by, work).await.unwrap_or(Err(late)),
        None => work.await,
    }
}
