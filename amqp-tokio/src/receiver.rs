//! [`Receiver`]: the handle of a link on which this end receives.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use amqp_proto::client::{Error, Result};
use amqp_proto::driver::{self, Ending, NextDelivery};
use amqp_proto::types::{DeliveryKey, Str, TransactionId};
use amqp_proto::wire::{Attach, DeliveryState, Modified, Outcome};
use futures_core::Stream;

use crate::Delivery;
use crate::incoming::IncomingStream;
use crate::wait::ready;

/// A link on which this end receives. It is a [`Stream`](futures_core::Stream) of deliveries.
///
/// Clones are cheap and stand for the same link; each message goes to one of them.
///
/// What was received is settled by its [`Delivery`] or by key, from any task, without waiting behind a receive. The
/// link is closed by [`close`](Self::close), or when the last handle of it, a `Delivery` being one, is dropped.
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
/// # connection.sender("jobs").await?.send("job-content").await?;
/// use amqp_tokio::wire::{AmqpError, Condition};
///
/// let jobs = connection.receiver("jobs").with_auto_accept(false).await?;
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
    pub(crate) link: driver::Receiver<Waker>,
    /// The place in line that the stream has.
    next: Option<NextDelivery<Waker>>,
    /// Whether the stream has ended.
    is_over: bool,
}

impl Clone for Receiver {
    fn clone(&self) -> Self {
        Self::new(self.link.clone())
    }
}

impl Receiver {
    pub(crate) fn new(link: driver::Receiver<Waker>) -> Self {
        Self { link, next: None, is_over: false }
    }

    /// Waits for the next message; `None` once the link is over without an error and all is taken.
    ///
    /// Dropped before it is done, this has taken nothing.
    pub async fn recv(&self) -> Result<Option<Delivery>> {
        ready(self.link.recv()).await
    }

    /// Takes the next message, if there is one; `None` if there is none yet.
    ///
    /// # Errors
    ///
    /// The end of the link once all is taken, also where nothing was wrong: [`Error::or_end`] tells them apart.
    pub fn try_recv(&self) -> Result<Option<Delivery>> {
        self.link.try_recv()
    }

    /// Waits for the next message to begin, on a streaming link, to be read while it comes.
    ///
    /// Dropped before it is done, this has taken nothing.
    pub async fn recv_stream(&self) -> Result<Option<IncomingStream>> {
        Ok(ready(self.link.read()).await?.map(IncomingStream::new))
    }

    /// The message was processed [3.4.2].
    pub fn accept(&self, delivery: DeliveryKey) -> Result<()> {
        self.link.accept(delivery)
    }

    /// The message is invalid [3.4.3].
    pub fn reject(
        &self,
        delivery: DeliveryKey,
        error: impl Into<Option<amqp_proto::wire::AmqpError>>,
    ) -> Result<()> {
        self.link.reject(delivery, error)
    }

    /// The message was not processed and may go elsewhere, unchanged [3.4.4].
    pub fn release(&self, delivery: DeliveryKey) -> Result<()> {
        self.link.release(delivery)
    }

    /// The message was not processed and may go elsewhere, changed [3.4.5].
    pub fn modify(&self, delivery: DeliveryKey, modified: Modified) -> Result<()> {
        self.link.modify(delivery, modified)
    }

    /// Tells a state of a delivery, such as its part in a transaction. An outcome settles it.
    pub fn dispose(&self, delivery: DeliveryKey, state: &DeliveryState) -> Result<()> {
        self.link.dispose(delivery, state)
    }

    /// Retires a message within a transaction without settling it [4.4.2]: the outcome applies when the transaction is
    /// discharged. If that is rolled back, the message can be retired again or get an outcome.
    pub fn retire(
        &self,
        delivery: DeliveryKey,
        transaction: TransactionId,
        outcome: impl Into<Outcome>,
    ) -> Result<()> {
        self.link.retire(delivery, transaction, outcome)
    }

    /// Settles a delivery without an outcome: the sender's default applies [3.5.3]. On a link of rcv-settle-mode second
    /// that is the sender's to do.
    pub fn settle(&self, delivery: DeliveryKey) -> Result<()> {
        self.link.settle(delivery)
    }

    /// Waits until a delivery is settled at both ends, which takes the sender on a link of rcv-settle-mode second.
    pub async fn settled(&self, delivery: DeliveryKey) -> Result<()> {
        ready(self.link.settled(delivery)).await
    }

    /// Grants credit for so many messages in all, whatever there was before.
    pub fn set_credit(&self, messages: u32) -> Result<()> {
        self.link.set_credit(messages)
    }

    /// Grants credit for so many more messages.
    pub fn add_credit(&self, messages: u32) -> Result<()> {
        self.link.add_credit(messages)
    }

    /// Takes all credit back. What is on the way still comes; no more is asked for ahead until credit is set again.
    pub fn stop(&self) -> Result<()> {
        self.link.stop()
    }

    /// Asks the sender to use the credit that there is or give it back, and waits until it has. What has come for it
    /// is there to be taken then. No more is asked for ahead until credit is set again.
    pub async fn drain(&self) -> Result<()> {
        ready(self.link.drain()?).await
    }

    /// Returns how many more messages may come.
    pub fn credit(&self) -> u32 {
        self.link.credit()
    }

    /// Returns how many messages wait at the sender, as far as it has said [2.6.7].
    pub fn available(&self) -> u32 {
        self.link.available()
    }

    /// Returns how many deliveries are unsettled.
    pub fn unsettled(&self) -> u32 {
        self.link.unsettled()
    }

    /// Closes the link for good, and waits until the peer has done the same.
    ///
    /// Before that, the sender is stopped, so that nothing is on its way any more, and messages that were not taken are
    /// released: they go elsewhere at once. Messages that the sender has settled can still be taken. Those that were
    /// taken and not decided about are lost to this link, and their queue has them back.
    pub async fn close(&self) -> Result<()> {
        self.link.release_untaken();
        if let Ok(stopping) = self.link.stop_before_close() {
            // A sender that does not stop in time may have sent more, which its queue has back without that.
            let _ = ready(stopping).await;
        }
        self.link.release_untaken();
        ready(self.link.end(Ending::Close(None))).await
    }

    /// Closes the link for good, saying why, and waits until the peer has done the same. Messages that were not taken
    /// are released; what is on its way is not waited for.
    pub async fn close_with(&self, error: impl Into<amqp_proto::wire::AmqpError>) -> Result<()> {
        self.link.release_untaken();
        ready(self.link.end(Ending::Close(Some(error.into())))).await
    }

    /// Detaches the link, so that it can be attached again under its name.
    pub async fn detach(&self) -> Result<()> {
        ready(self.link.end(Ending::Detach)).await
    }

    /// Waits until the link is over, and says how it ended.
    pub async fn closed(&self) -> Error {
        ready(self.link.closed()).await
    }

    /// Returns the name of the link; empty once it is closed.
    pub fn name(&self) -> Str {
        self.link.name()
    }

    /// Returns where the messages come from, as the peer has it: of a dynamic source, the address that it has
    /// made.
    pub fn address(&self) -> Option<Str> {
        self.link.address()
    }

    /// Returns the peer's attach; `None` once the link is closed.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.link.peer_attach()
    }
}

impl Stream for Receiver {
    type Item = Result<Delivery>;

    /// Returns the next message; how the link ended, if that was an error; then nothing.
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        let next = this.next.get_or_insert_with(|| this.link.next());
        next.poll(context.waker()).map(|taken| {
            this.is_over = !matches!(taken, Ok(Some(_)));
            taken.transpose()
        })
    }
}
