//! [`Sender`]: sends messages.

use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use amqp_proto::client::{Error, Outgoing, Result};
use amqp_proto::driver::{self, Queued, SinkState};
use amqp_proto::message::Message;
use amqp_proto::wire::Outcome;
use futures_sink::Sink;
use tokio::time::Instant;

use crate::sent::{Sent, SentOutcomes};
use crate::within::{end_of, within};
use crate::writer::MessageWriter;

/// A handle of a link on which this end sends. It is also a [`Sink`] of messages. Clones are cheap handles of the same
/// link.
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
#[derive(Debug)]
pub struct Sender {
    link: driver::Sender<Waker>,
    sink: SinkState,
}

driver::skin::sender!(async);

impl Deref for Sender {
    type Target = driver::Sender<Waker>;

    fn deref(&self) -> &Self::Target {
        &self.link
    }
}

impl From<driver::Sender<Waker>> for Sender {
    fn from(link: driver::Sender<Waker>) -> Self {
        Self { link, sink: SinkState::default() }
    }
}

impl Clone for Sender {
    fn clone(&self) -> Self {
        self.link.clone().into()
    }
}

impl Sender {
    /// Returns the time until which a message that is sent now must get its outcome.
    fn send_by(&self) -> Option<Instant> {
        end_of(self.send_timeout())
    }

    async fn send_within(&self, message: impl Into<Outgoing>, by: Option<Instant>) -> Result<Outcome> {
        let sent = match driver::Sender::queue_and_wait(self, message)? {
            Queued::Sent(sent) => sent,
            Queued::Waiting(queued) => within(by, Error::TimedOut, queued).await?,
        };
        within(by, Error::Unconfirmed, Sent(sent)).await
    }

    async fn queue(&self, message: impl Into<Outgoing>, by: Option<Instant>) -> Result<Sent> {
        match driver::Sender::queue(self, message)? {
            Queued::Sent(sent) => Ok(Sent(sent)),
            Queued::Waiting(queued) => within(by, Error::TimedOut, queued).await.map(Sent),
        }
    }
}

/// The sink is ready for a message once the one before it has got credit, which the send timeout bounds. A message that
/// was not accepted, or not sent, is an error of a later call, after which the sink can still be used. A clone of the
/// sender is a sink of its own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> amqp_tokio::Result<()> {
/// # let connection = amqp_tokio::broker::Broker::new()?.connect().await?;
/// use amqp_tokio::message::Message;
/// use futures_util::{SinkExt, stream};
///
/// let mut jobs = connection.sender("jobs").await?;
/// let messages = (1..=3).map(|number| Ok(Message::from(number)));
/// // All three are accepted when this returns.
/// jobs.send_all(&mut stream::iter(messages)).await?;
/// # Ok(())
/// # }
/// ```
impl Sink<Message> for Sender {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().sink.poll_ready(context)
    }

    /// Takes the message, which the next call sends.
    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<()> {
        let Self { link, sink } = self.get_mut();
        let sender = Self::from(link.clone());
        sink.start_send(async move { sender.send_queued(message).await.map(|sent| sent.0) })
    }

    /// Sends the message that was taken, and waits for the outcomes of all messages of the sink.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().sink.poll_flush(context)
    }

    /// Flushes, and closes the link.
    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Self { link, sink } = self.get_mut();
        let sender = Self::from(link.clone());
        sink.poll_close(context, async move { sender.close().await })
    }
}
