//! [`Sender`]: sends messages.

use std::future::Future;
use std::task::Waker as Waiter;

use amqp_proto::client::{Error, Outgoing, Result};
use amqp_proto::driver::{self, Queued};
use amqp_proto::wire::Outcome;
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
pub struct Sender(pub(crate) driver::Sender<Waiter>);

driver::skin::sender!(async);

impl Sender {
    /// Returns the time until which a message that is sent now must get its outcome.
    fn send_by(&self) -> Option<Instant> {
        Instant::now().checked_add(self.send_timeout()?)
    }

    async fn send_within(&self, message: impl Into<Outgoing>, by: Option<Instant>) -> Result<Outcome> {
        let sent = match driver::Sender::queue_and_wait(self, message)? {
            Queued::Sent(sent) => sent,
            Queued::Waiting(queued) => within(by, queued, Error::TimedOut).await?,
        };
        within(by, Sent(sent), Error::Unconfirmed).await
    }

    async fn queue(&self, message: impl Into<Outgoing>, by: Option<Instant>) -> Result<Sent> {
        match driver::Sender::queue(self, message)? {
            Queued::Sent(sent) => Ok(Sent(sent)),
            Queued::Waiting(queued) => within(by, queued, Error::TimedOut).await.map(Sent),
        }
    }
}

/// Waits until `by` at the latest; then the error is `late`.
async fn within<R>(by: Option<Instant>, work: impl Future<Output = Result<R>>, late: Error) -> Result<R> {
    match by {
        Some(by) => timeout_at(by, work).await.unwrap_or(Err(late)),
        None => work.await,
    }
}
