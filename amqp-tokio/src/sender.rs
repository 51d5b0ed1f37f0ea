//! [`Sender`]: the handle of a link on which this end sends.

use std::future::Future;
use std::task::Waker;

use amqp_proto::client::{Error, Outgoing, Result};
use amqp_proto::config::SendOptions;
use amqp_proto::driver::{self, Ending};
use amqp_proto::wire::{self, Outcome};
use tokio::time::{Instant, timeout_at};

use crate::sent::{Sent, SentOutcomes};
use crate::writer::MessageWriter;

/// A link on which this end sends. Cheap to clone: all clones are the same link.
///
/// Sending waits for credit, in turn with all others that send on the link; what is sent never waits in between. The
/// link is closed by [`close`](Self::close), or when the last handle of it, a [`Sent`] being one, is dropped.
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
    /// Sends a message and waits for its outcome; before that, for credit.
    ///
    /// That may take any time, such as while a broker is short of memory or has no majority of its replicas;
    /// [`with_send_timeout`](crate::SenderBuilder::with_send_timeout) bounds it. A message that is sent settled has no outcome to
    /// come and counts as accepted once it is queued.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if there was no credit in time, and nothing was sent; [`Error::Unconfirmed`] if the message
    /// was sent and its outcome is not known in time; [`Error::Lost`] if the link ended before it was.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, this may have sent the message, whose outcome nobody hears of then.
    pub async fn send(&self, message: impl Into<Outgoing>) -> Result<Outcome> {
        let by = self.send_by();
        let sent = self.queue(message, by).await?;
        within(by, sent, Error::Unconfirmed).await
    }

    /// Sends a message as soon as there is credit; its outcome may be waited for, or not.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if there was no credit in time, where [`with_send_timeout`](crate::SenderBuilder::with_send_timeout)
    /// says so; nothing was sent then.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, this has sent nothing.
    pub async fn send_queued(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        self.queue(message, self.send_by()).await
    }

    /// Sends a message if there is credit and nobody waits for it, and is refused otherwise.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if it cannot be sent at once; nothing was sent then.
    pub fn try_send(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        driver::Sender::try_send(self, message).map(Sent)
    }

    /// Begins a message whose octets come later, however many, as soon as there is credit. Nothing else is sent on
    /// the link until it is finished or aborted.
    pub async fn writer(&self, options: SendOptions) -> Result<MessageWriter> {
        driver::Sender::begin(self, options).await.map(MessageWriter)
    }

    /// Waits until a message could be sent: there is credit, and nobody else waits for it.
    pub async fn sendable(&self) -> Result<()> {
        driver::Sender::sendable(self).await
    }

    /// Returns the outcomes of everything that is sent on the link, for one task that looks after all of them.
    pub fn outcomes(&self) -> SentOutcomes {
        SentOutcomes(driver::Sender::outcomes(self))
    }

    /// Closes the link for good, after what was sent on it is written, and waits until the peer has done the same. What
    /// is unsettled then has no outcome.
    pub async fn close(&self) -> Result<()> {
        driver::Sender::written(self).await?;
        driver::Sender::end(self, Ending::Close(None)).await
    }

    /// Closes the link at once, says why, and waits until the peer has done the same.
    pub async fn close_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        driver::Sender::end(self, Ending::Close(Some(error.into()))).await
    }

    /// Detaches the link, so that it can be attached again under its name, as long as a handle of it is kept.
    pub async fn detach(&self) -> Result<()> {
        driver::Sender::written(self).await?;
        driver::Sender::end(self, Ending::Detach).await
    }

    /// Waits until the link is over, and returns how it ended.
    pub async fn closed(&self) -> Error {
        driver::Sender::closed(self).await
    }

    /// Returns when a message that is sent now has to be sent, and have its outcome.
    fn send_by(&self) -> Option<Instant> {
        Instant::now().checked_add(self.send_timeout()?)
    }

    async fn queue(&self, message: impl Into<Outgoing>, by: Option<Instant>) -> Result<Sent> {
        within(by, driver::Sender::queue(self, message)?, Error::TimedOut).await.map(Sent)
    }
}

/// Waits until then at most; `late` is the error after that.
async fn within<R>(by: Option<Instant>, work: impl Future<Output = Result<R>>, late: Error) -> Result<R> {
    match by {
        Some(by) => timeout_at(by, work).await.unwrap_or(Err(late)),
        None => work.await,
    }
}
