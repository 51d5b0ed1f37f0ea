//! [`Receiver`]: the handle of a link on which this end receives.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use amqp_proto::config::OnDrop;
use amqp_proto::endpoint::{Error, Result, STOP_BEFORE_CLOSE};
use amqp_proto::machine::LinkError;
use amqp_proto::types::{DeliveryKey, ReceiverKey, Str, TransactionId};
use amqp_proto::wire::{Attach, DeliveryState, Modified, Outcome, Rejected};
use futures_core::Stream;

use crate::delivery::Delivery;
use crate::incoming::IncomingStream;
use crate::link::ReceiverGuard;
use crate::shared::Shared;
use crate::state::{Place, State};
use crate::waiters::Ticket;

/// A link on which this end receives. A [`Stream`] of deliveries; cheap to clone: all clones are the same link, and
/// each message goes to one of them.
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
/// use amqp_tokio::wire::{Condition, Error};
///
/// let jobs = connection.receiver("jobs").auto_accept(false).await?;
/// while let Some(delivery) = jobs.recv().await? {
///     match delivery.message()?.body()?.as_str() {
///         Some("job-content") => delivery.accept(),
///         _ => delivery.reject(Error::new(Condition::InvalidField).with_description("what is that?")),
///     }?;
///     # break;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Receiver {
    guard: Arc<ReceiverGuard>,
    /// The place in line that the stream has.
    ticket: Option<Ticket>,
    /// Whether the stream has ended.
    is_over: bool,
}

impl Clone for Receiver {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.guard))
    }
}

impl Receiver {
    pub(crate) fn new(guard: Arc<ReceiverGuard>) -> Self {
        Self { guard, ticket: None, is_over: false }
    }

    /// Waits for the next message; `None` once the link is over without an error and all is taken.
    ///
    /// Dropped before it is done, this has taken nothing.
    pub async fn recv(&self) -> Result<Option<Delivery>> {
        let place = Place::Link(self.guard.link());
        let received = self.guard.shared().wait(place, |state| self.poll_take(state));
        let taken = received.await?;
        Ok(taken.map(|(delivery, on_drop)| Delivery::new(Arc::clone(&self.guard), delivery, on_drop)))
    }

    /// Takes the next message, if there is one; `None` if there is none yet.
    ///
    /// # Errors
    ///
    /// The end of the link once all is taken, also where nothing was wrong: [`Error::or_end`] tells them apart.
    pub fn try_recv(&self) -> Result<Option<Delivery>> {
        let taken = self.guard.shared().with(|state| match self.take(state) {
            Some(taken) => Ok(Some(taken)),
            None => self.over(state).map_or(Ok(None), Err),
        });
        Ok(taken?.map(|(delivery, on_drop)| Delivery::new(Arc::clone(&self.guard), delivery, on_drop)))
    }

    /// Waits for the next message to begin, on a streaming link, to be read while it comes.
    ///
    /// Dropped before it is done, this has taken nothing.
    pub async fn recv_stream(&self) -> Result<Option<IncomingStream>> {
        let place = Place::Link(self.guard.link());
        let begun = self.guard.shared().wait(place, |state| {
            let begun = state.links.get_mut(&self.guard.link()).and_then(|link| link.begun.pop_front());
            match begun {
                Some(key) => Poll::Ready(Ok(Some((key, self.guard.on_drop(state))))),
                None => self.over(state).map_or(Poll::Pending, |over| Poll::Ready(over.or_end())),
            }
        });
        let begun = begun.await?;
        Ok(begun.map(|(key, on_drop)| IncomingStream::new(Arc::clone(&self.guard), key, on_drop)))
    }

    /// A message, or that none will come.
    #[inline]
    fn poll_take(&self, state: &mut State) -> Poll<Result<Option<(amqp_proto::Delivery, OnDrop)>>> {
        match self.take(state) {
            Some(taken) => Poll::Ready(Ok(Some(taken))),
            None => self.over(state).map_or(Poll::Pending, |over| Poll::Ready(over.or_end())),
        }
    }

    /// Takes the next message, and what is told if it is dropped.
    #[inline]
    fn take(&self, state: &mut State) -> Option<(amqp_proto::Delivery, OnDrop)> {
        if let Ok(mut receiver) = state.engine.receiver(self.guard.key)
            && let Some(delivery) = receiver.receive()
        {
            return Some((delivery, receiver.on_drop()));
        }
        let rest = state.links.get_mut(&self.guard.link())?.rest.pop_front()?;
        Some((rest, OnDrop::Keep))
    }

    fn over(&self, state: &State) -> Option<Error> {
        self.guard.over(state)
    }

    /// The message was processed [3.4.2].
    pub fn accept(&self, delivery: DeliveryKey) -> Result<()> {
        self.guard.dispose(delivery, &Outcome::Accepted.into())
    }

    /// The message is invalid [3.4.3].
    pub fn reject(
        &self,
        delivery: DeliveryKey,
        error: impl Into<Option<amqp_proto::wire::Error>>,
    ) -> Result<()> {
        self.guard.dispose(delivery, &rejected(error.into()))
    }

    /// The message was not processed and may go elsewhere, unchanged [3.4.4].
    pub fn release(&self, delivery: DeliveryKey) -> Result<()> {
        self.guard.dispose(delivery, &Outcome::Released.into())
    }

    /// The message was not processed and may go elsewhere, changed [3.4.5].
    pub fn modify(&self, delivery: DeliveryKey, modified: Modified) -> Result<()> {
        self.guard.dispose(delivery, &Outcome::from(modified).into())
    }

    /// Tells a state of a delivery, such as its part in a transaction. An outcome settles it.
    pub fn dispose(&self, delivery: DeliveryKey, state: &DeliveryState) -> Result<()> {
        self.guard.dispose(delivery, state)
    }

    /// Retires a message within a transaction without settling it [4.4.2]: the outcome applies when the transaction is
    /// discharged. If that is rolled back, the message can be retired again or get an outcome.
    pub fn retire(
        &self,
        delivery: DeliveryKey,
        transaction: TransactionId,
        outcome: impl Into<Outcome>,
    ) -> Result<()> {
        self.guard.shared().with(|state| match state.engine.receiver(self.guard.key) {
            Ok(mut receiver) => Ok(receiver.retire(delivery, transaction, outcome)?),
            Err(_) => Err(self.over(state).unwrap_or(LinkError::Detached.into())),
        })
    }

    /// Settles a delivery without an outcome: the sender's default applies [3.5.3]. On a link of rcv-settle-mode second
    /// that is the sender's to do.
    pub fn settle(&self, delivery: DeliveryKey) -> Result<()> {
        self.guard.settle(delivery)
    }

    /// Waits until a delivery is settled at both ends, which takes the sender on a link of rcv-settle-mode second.
    pub async fn settled(&self, delivery: DeliveryKey) -> Result<()> {
        let place = Place::Link(self.guard.link());
        let settled = self.guard.shared().wait_reply(place, |state| {
            if state.engine.delivery(delivery).is_err() {
                return Poll::Ready(Ok(()));
            }
            self.over(state).map_or(Poll::Pending, |over| Poll::Ready(Err(over)))
        });
        settled.await
    }

    /// Grants credit for so many messages in all, whatever there was before.
    pub fn set_credit(&self, messages: u32) -> Result<()> {
        self.guard.shared().with(|state| Ok(self.guard.engine(state)?.set_credit(messages)?))
    }

    /// Grants credit for so many more messages.
    pub fn add_credit(&self, messages: u32) -> Result<()> {
        self.guard.shared().with(|state| Ok(self.guard.engine(state)?.add_credit(messages)?))
    }

    /// Takes all credit back. What is on the way still comes; no more is asked for ahead until credit is set again.
    pub fn stop(&self) -> Result<()> {
        self.guard.shared().with(|state| Ok(self.guard.engine(state)?.stop()?))
    }

    /// Asks the sender to use the credit that there is or give it back, and waits until it has. What has come for it
    /// is there to be taken then. No more is asked for ahead until credit is set again.
    pub async fn drain(&self) -> Result<()> {
        let link = self.guard.link();
        self.guard.shared().with(|state| {
            if let Some(link) = state.links.get_mut(&link) {
                link.is_drained = false;
            }
            Ok::<_, Error>(self.guard.engine(state)?.drain()?)
        })?;
        let drained = self.guard.shared().wait_reply(Place::Link(link), |state| {
            if state.links.get(&link).is_some_and(|link| link.is_drained) {
                return Poll::Ready(Ok(()));
            }
            self.over(state).map_or(Poll::Pending, |over| Poll::Ready(Err(over)))
        });
        drained.await
    }

    /// How many more messages may come.
    pub fn credit(&self) -> u32 {
        self.guard.shared().lock().engine.receiver(self.key()).map_or(0, |receiver| receiver.credit())
    }

    /// How many messages wait at the sender, as far as it has said (T-AVAIL-01).
    pub fn available(&self) -> u32 {
        self.guard.shared().lock().engine.receiver(self.key()).map_or(0, |receiver| receiver.available())
    }

    /// How many deliveries are unsettled.
    pub fn unsettled(&self) -> u32 {
        self.guard.shared().lock().engine.receiver(self.key()).map_or(0, |receiver| receiver.unsettled_len())
    }

    /// Closes the link for good, and waits until the peer has done the same.
    ///
    /// Before that, the sender is stopped, so that nothing is on its way any more, and messages that were not taken are
    /// released: they go elsewhere at once. Messages that the sender has settled can still be taken. Those that were
    /// taken and not decided about are lost to this link, and their queue has them back.
    pub async fn close(&self) -> Result<()> {
        self.release_untaken();
        // A sender that does not stop in time may have sent more, which its queue has back without that.
        let _ = self.stopped().await;
        self.release_untaken();
        self.guard.detach(true, None).await
    }

    /// Closes the link for good, saying why, and waits until the peer has done the same. Messages that were not taken
    /// are released; what is on its way is not waited for.
    pub async fn close_with(&self, error: impl Into<amqp_proto::wire::Error>) -> Result<()> {
        self.release_untaken();
        self.guard.detach(true, Some(error.into())).await
    }

    /// Stops the sender, and waits a while until nothing is on its way any more.
    async fn stopped(&self) -> Result<()> {
        let link = self.guard.link();
        let is_granted = self.guard.shared().with(|state| {
            let mut engine = self.guard.engine(state)?;
            let is_granted = engine.credit() > 0;
            engine.stop()?;
            if let Some(link) = state.links.get_mut(&link) {
                link.is_stopped = !is_granted;
            }
            Ok::<_, Error>(is_granted)
        })?;
        if !is_granted {
            return Ok(());
        }
        let stopped =
            self.guard.shared().wait_reply_within(Some(STOP_BEFORE_CLOSE), Place::Link(link), |state| {
                if state.links.get(&link).is_some_and(|link| link.is_stopped) {
                    return Poll::Ready(Ok(()));
                }
                self.over(state).map_or(Poll::Pending, |over| Poll::Ready(Err(over)))
            });
        stopped.await
    }

    fn release_untaken(&self) {
        self.guard.shared().with(|state| state.release_untaken(self.guard.key));
    }

    /// Detaches the link, so that it can be attached again under its name.
    pub async fn detach(&self) -> Result<()> {
        self.guard.detach(false, None).await
    }

    /// Waits until the link is over, and says how it ended.
    pub async fn closed(&self) -> Error {
        self.guard.closed().await
    }

    /// The name of the link; empty once it is closed.
    pub fn name(&self) -> Str {
        self.guard.name()
    }

    /// Where the messages come from, as the peer has it: of a dynamic source, the address that it has made.
    pub fn address(&self) -> Option<Str> {
        self.peer_attach()?.source?.address
    }

    /// What the peer's attach says; `None` once the link is closed.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.guard.peer_attach()
    }

    pub(crate) fn key(&self) -> ReceiverKey {
        self.guard.key
    }

    pub(crate) fn shared(&self) -> &Shared {
        self.guard.shared()
    }
}

/// The outcome of a message that is invalid.
pub(crate) fn rejected(error: Option<amqp_proto::wire::Error>) -> DeliveryState {
    Outcome::from(Rejected { error: error.map(Box::new) }).into()
}

impl Stream for Receiver {
    type Item = Result<Delivery>;

    /// The next message; how the link ended, if that was an error; then nothing.
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        let mut ticket = this.ticket.take();
        let place = Place::Link(this.guard.link());
        let taken = this.guard.shared().with(|state| {
            let taken = this.poll_take(state);
            if taken.is_pending() {
                state.wait(place, &mut ticket, context.waker());
            } else if let Some(ticket) = ticket.take() {
                state.leave(place, ticket);
            }
            taken
        });
        this.ticket = ticket;
        taken.map(|taken| {
            this.is_over = !matches!(taken, Ok(Some(_)));
            let (delivery, on_drop) = match taken.transpose()? {
                Ok(taken) => taken,
                Err(error) => return Some(Err(error)),
            };
            Some(Ok(Delivery::new(Arc::clone(&this.guard), delivery, on_drop)))
        })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.guard.shared().with(|state| state.leave(Place::Link(self.guard.link()), ticket));
        }
    }
}
