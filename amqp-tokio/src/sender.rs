//! [`Sender`]: the handle of a link on which this end sends.

use std::future::Future;
use std::task::Waker;
use std::time::Duration;

use amqp_proto::client::{Error, Outgoing, Result};
use amqp_proto::config::SendOptions;
use amqp_proto::driver::{self, Ending};
use amqp_proto::types::Str;
use amqp_proto::wire::{Attach, Outcome};
use tokio::time::{Instant, timeout_at};

use crate::sent::{Sent, SentOutcomes};
use crate::stream::OutgoingStream;
use crate::wait::ready;

/// A link on which this end sends. Cheap to clone: all clones are the same link.
///
/// Sending waits for credit, in turn with all others that send on the link; what is sent never waits in between. The
/// link is closed by [`close`](Self::close), or when the last handle of it, a [`Sent`] being one, is dropped.
///
/// ```
/// # use amqp_tokio::broker::Broker;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> amqp_tokio::Result<()> {
/// # let broker = Broker::builder().build()?;
/// # let listener = amqp_tokio::Listener::bind_with("127.0.0.1:0", broker.acceptor()).await?;
/// # let url = format!("amqp://{}", listener.local_addr()?);
/// # tokio::spawn(async move { broker.serve(listener).await });
/// # let connection = amqp_tokio::Connection::open(&url).await?;
/// use amqp_tokio::wire::Outcome;
///
/// let jobs = connection.sender("jobs").await?;
/// let outcome = jobs.send("one").await?; // waits for credit, then for the outcome
/// assert_eq!(outcome, Outcome::Accepted);
///
/// // Wait for credit only.
/// let two = jobs.send_queued("two").await?;
/// let three = jobs.send_queued("three").await?;
/// assert_eq!((two.await?, three.await?), (Outcome::Accepted, Outcome::Accepted));
/// jobs.close().await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Sender {
    pub(crate) link: driver::Sender<Waker>,
    /// How long sending may take.
    send_timeout: Option<Duration>,
}

impl Sender {
    pub(crate) fn new(link: driver::Sender<Waker>, send_timeout: Option<Duration>) -> Self {
        Self { link, send_timeout }
    }

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
        let mut sent = self.queue(message, by).await?;
        within(by, sent.outcome(), Error::Unconfirmed).await
    }

    /// Sends a message as soon as there is credit; its outcome may be waited for, or not.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if there was no credit in time, where [`with_send_timeout`](crate::SenderBuilder::with_send_timeout) says
    /// so; nothing was sent then.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, this has sent nothing.
    pub async fn send_queued(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        self.queue(message, self.send_by()).await
    }

    /// Sends a message if there is credit and nobody waits for it, and is refused otherwise.
    pub fn send_now(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        self.link.try_send(message).map(Sent)
    }

    /// Begins a message whose octets come later, however many, as soon as there is credit. Nothing else is sent on
    /// the link until it is finished or aborted.
    pub async fn stream(&self, options: &SendOptions) -> Result<OutgoingStream> {
        ready(self.link.begin(options.clone())).await.map(OutgoingStream)
    }

    /// Waits until a message could be sent: there is credit, and nobody else waits for it.
    pub async fn sendable(&self) -> Result<()> {
        ready(self.link.sendable()).await
    }

    /// Closes the link for good, after what was sent on it is written, and waits until the peer has done the same.
    pub async fn close(&self) -> Result<()> {
        ready(self.link.written()).await?;
        ready(self.link.end(Ending::Close(None))).await
    }

    /// Closes the link at once, and says why.
    pub async fn close_with(&self, error: impl Into<amqp_proto::wire::AmqpError>) -> Result<()> {
        ready(self.link.end(Ending::Close(Some(error.into())))).await
    }

    /// Detaches the link, so that it can be attached again under its name.
    pub async fn detach(&self) -> Result<()> {
        ready(self.link.written()).await?;
        ready(self.link.end(Ending::Detach)).await
    }

    /// Waits until the link is over, and says how it ended.
    pub async fn closed(&self) -> Error {
        ready(self.link.closed()).await
    }

    /// Sets how many messages the receiver is told that wait for credit [2.6.7].
    pub fn set_available(&self, messages: u32) -> Result<()> {
        self.link.set_available(messages)
    }

    /// Returns how many messages the receiver takes.
    pub fn credit(&self) -> u32 {
        self.link.credit()
    }

    /// Returns the largest message that the receiver takes, in octets; `None`: any [2.7.3].
    pub fn max_message_size(&self) -> Option<u64> {
        self.link.max_message_size()
    }

    /// Returns how many deliveries are unsettled.
    pub fn unsettled(&self) -> u32 {
        self.link.unsettled()
    }

    /// Returns the name of the link; empty once it is closed.
    pub fn name(&self) -> Str {
        self.link.name()
    }

    /// Returns where the messages go to, as the peer has it: of a dynamic target, the address that it has made.
    pub fn address(&self) -> Option<Str> {
        self.link.address()
    }

    /// Returns the peer's attach; `None` once the link is closed.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.link.peer_attach()
    }

    /// Returns the outcomes of everything that is sent on the link, for one task that looks after all of them.
    pub fn outcomes(&self) -> SentOutcomes {
        SentOutcomes(self.link.outcomes())
    }

    /// Returns whether a message would be sent at once.
    pub fn is_sendable(&self) -> bool {
        self.link.is_sendable()
    }

    /// Returns whether the receiver wants its credit used or given back [2.6.7].
    pub fn is_draining(&self) -> bool {
        self.link.is_draining()
    }

    /// Gives back the credit that is to be drained: there is nothing to send. Only for links that do not drain by
    /// themselves.
    pub fn drained(&self) -> Result<()> {
        self.link.drained()
    }

    /// Returns when a message that is sent now has to be sent, and have its outcome.
    fn send_by(&self) -> Option<Instant> {
        Instant::now().checked_add(self.send_timeout?)
    }

    async fn queue(&self, message: impl Into<Outgoing>, by: Option<Instant>) -> Result<Sent> {
        within(by, ready(self.link.queue(message)?), Error::TimedOut).await.map(Sent)
    }
}

/// Waits until then at most; `late` is the error after that.
async fn within<R>(by: Option<Instant>, work: impl Future<Output = Result<R>>, late: Error) -> Result<R> {
    match by {
        Some(by) => timeout_at(by, work).await.unwrap_or(Err(late)),
        None => work.await,
    }
}
