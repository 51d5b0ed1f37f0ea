//! [`Sender`]: the handle of a link on which this end sends.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use amqp_proto::config::SendOptions;
use amqp_proto::endpoint::{Error, Outgoing, Result};
use amqp_proto::machine::{LinkError, SendError};
use amqp_proto::types::{DeliveryKey, LinkKey, SenderKey, Str};
use amqp_proto::wire::{Attach, Outcome};
use tokio::time::{Instant, timeout_at};

use crate::batch::WORTH_WRITING;
use crate::link::SenderGuard;
use crate::outcome::Tracked;
use crate::sent::Sent;
use crate::state::State;
use crate::stream::OutgoingStream;
use crate::waiters::Ticket;

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
/// let (two, three) = (jobs.send_queued("two").await?, jobs.send_queued("three").await?); // for credit only
/// assert_eq!((two.await?, three.await?), (Outcome::Accepted, Outcome::Accepted));
/// jobs.close().await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Sender {
    guard: Arc<SenderGuard>,
    /// How long sending may take.
    send_timeout: Option<Duration>,
}

impl Sender {
    pub(crate) fn new(guard: Arc<SenderGuard>, send_timeout: Option<Duration>) -> Self {
        Self { guard, send_timeout }
    }

    /// Sends a message and waits for its outcome; before that, for credit.
    ///
    /// That may take any time, such as while a broker is short of memory or has no majority of its replicas;
    /// [`send_timeout`](crate::SenderBuilder::send_timeout) bounds it. A message that is sent settled has no outcome to
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
    /// [`Error::TimedOut`] if there was no credit in time, where [`send_timeout`](crate::SenderBuilder::send_timeout) says
    /// so; nothing was sent then.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, this has sent nothing.
    pub async fn send_queued(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        self.queue(message, self.send_by()).await
    }

    /// When a message that is sent now has to be sent, and have its outcome.
    fn send_by(&self) -> Option<Instant> {
        Instant::now().checked_add(self.send_timeout?)
    }

    async fn queue(&self, message: impl Into<Outgoing>, by: Option<Instant>) -> Result<Sent> {
        let mut message = message.into();
        message.prepare()?;
        let sending = self.in_turn(|state, sender| sender.try_send(state, &message));
        let key = within(by, sending, Error::TimedOut).await?;
        Ok(self.track(key))
    }

    /// Sends a message if there is credit and nobody waits for it, and is refused otherwise.
    pub fn send_now(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        let mut message = message.into();
        message.prepare()?;
        let key = self.guard.shared().with(|state| {
            let is_free = state.links.get(&self.key().into()).is_none_or(|link| link.line.is_empty());
            let sent = if is_free { self.try_send(state, &message) } else { Err(SendError::Full.into()) };
            sent.map_err(|error| self.guard.over(state).unwrap_or(error))
        })?;
        Ok(self.track(key))
    }

    /// Begins a message whose octets come later, however many, as soon as there is credit. Nothing else is sent on
    /// the link until it is finished or aborted.
    pub async fn stream(&self, options: &SendOptions) -> Result<OutgoingStream> {
        let key = self
            .in_turn(|state, sender| {
                let key = sender.guard.engine(state)?.begin_delivery(options)?;
                Ok((key, sender.note(state, key)))
            })
            .await?;
        Ok(OutgoingStream::new(self.track(key)))
    }

    /// Waits until a message could be sent: there is credit, and nobody else waits for it.
    pub async fn sendable(&self) -> Result<()> {
        self.in_turn(|state, sender| {
            // What a refused send is refused for is told once it is there.
            let mut engine = sender.guard.engine(state)?;
            if engine.is_sendable() { Ok(()) } else { Err(SendError::NoCredit.into()) }
        })
        .await
    }

    /// Closes the link for good, after what was sent on it is written, and waits until the peer has done the same.
    pub async fn close(&self) -> Result<()> {
        self.written().await?;
        self.guard.detach(true, None).await
    }

    /// The same, saying why, and at once.
    pub async fn close_with(&self, error: impl Into<amqp_proto::wire::Error>) -> Result<()> {
        self.guard.detach(true, Some(error.into())).await
    }

    /// Detaches the link, so that it can be attached again under its name.
    pub async fn detach(&self) -> Result<()> {
        self.written().await?;
        self.guard.detach(false, None).await
    }

    /// Waits until the link is over, and says how it ended.
    pub async fn closed(&self) -> Error {
        self.guard.closed().await
    }

    /// Waits until no message is written in part.
    async fn written(&self) -> Result<()> {
        let done = self.in_turn(|state, sender| match sender.guard.engine(state) {
            Ok(engine) if engine.is_sending() => {
                state.unwritten.push(sender.key());
                Err(SendError::Incomplete.into())
            }
            Ok(_) => Ok(()),
            Err(over) => Err(over),
        });
        done.await
    }

    /// Sets how many messages the receiver is told that wait for credit (T-AVAIL-01).
    pub fn set_available(&self, messages: u32) -> Result<()> {
        self.guard.shared().with(|state| Ok(self.guard.engine(state)?.set_available(messages)?))
    }

    /// How many messages the receiver takes.
    pub fn credit(&self) -> u32 {
        self.guard.shared().lock().engine.sender(self.key()).map_or(0, |sender| sender.credit())
    }

    /// The largest message that the receiver takes, in octets; `None`: any (L-MSG-01).
    pub fn max_message_size(&self) -> Option<u64> {
        self.guard.shared().lock().engine.sender(self.key()).ok()?.max_message_size()
    }

    /// How many deliveries are unsettled.
    pub fn unsettled(&self) -> u32 {
        self.guard.shared().lock().engine.sender(self.key()).map_or(0, |sender| sender.unsettled_len())
    }

    /// The name of the link; empty once it is closed.
    pub fn name(&self) -> Str {
        self.guard.name()
    }

    /// Where the messages go to, as the peer has it: of a dynamic target, the address that it has made.
    pub fn address(&self) -> Option<Str> {
        match *self.peer_attach()?.target? {
            amqp_proto::wire::Terminus::Target(target) => target.address,
            _ => None,
        }
    }

    /// What the peer's attach says; `None` once the link is closed.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.guard.peer_attach()
    }

    pub(crate) fn key(&self) -> SenderKey {
        self.guard.key
    }

    #[cfg(feature = "broker")]
    pub(crate) fn guard(&self) -> &Arc<SenderGuard> {
        &self.guard
    }

    fn track(&self, (key, is_settled): (DeliveryKey, bool)) -> Sent {
        Sent::new(Arc::clone(&self.guard), key, is_settled)
    }

    /// What it fails for, a link that is over has told better.
    fn try_send(&self, state: &mut State, message: &Outgoing) -> Result<(DeliveryKey, bool)> {
        let mut engine = state.engine.sender(self.key()).map_err(|_| LinkError::Detached)?;
        let key = message.send(&mut engine)?;
        Ok((key, self.note(state, key)))
    }

    /// Has the outcome of a delivery kept for whoever asks; whether there is none to come.
    fn note(&self, state: &mut State, key: DeliveryKey) -> bool {
        let is_settled = state.engine.delivery(key).is_err();
        if !is_settled && state.links.get(&self.key().into()).is_none_or(|link| link.outcomes.is_none()) {
            state.sent.insert(key, Tracked::Waiting(self.key(), None));
        }
        is_settled
    }

    /// Waits for its turn among those that send on the link, and until the attempt is not refused for want of credit
    /// or room.
    async fn in_turn<R>(&self, mut attempt: impl FnMut(&mut State, &Self) -> Result<R>) -> Result<R> {
        let mut turn = Turn { sender: self, ticket: None, has_yielded: false };
        poll_fn(|context| turn.poll(context, &mut attempt)).await
    }
}

/// A place in the line of those that send on a link; given up when it is dropped.
struct Turn<'a> {
    sender: &'a Sender,
    ticket: Option<Ticket>,
    /// Whether it has let the driver have a turn.
    has_yielded: bool,
}

impl Turn<'_> {
    fn poll<R>(
        &mut self,
        context: &mut Context<'_>,
        attempt: &mut impl FnMut(&mut State, &Sender) -> Result<R>,
    ) -> Poll<Result<R>> {
        let (sender, ticket) = (self.sender, &mut self.ticket);
        sender.guard.shared().with(|state| {
            if !self.has_yielded && state.engine.output_len() >= WORTH_WRITING {
                // A task that never had to wait would keep the driver from its turn.
                self.has_yielded = true;
                state.unwritten.push(sender.key());
                wait(state, sender.key(), ticket, context.waker());
                return Poll::Pending;
            }
            let line = state.links.get(&sender.key().into()).map(|link| &link.line);
            let has_turn = line.is_none_or(|line| line.is_first(*ticket));
            let result = if has_turn { attempt(state, sender) } else { Err(SendError::Full.into()) };
            let result = result.map_err(|error| sender.guard.over(state).unwrap_or(error));
            match result {
                Err(Error::Send(error)) if passes(&error) => {
                    if let SendError::Unsettled(_) = error {
                        state.starved.push(sender.key());
                    }
                    wait(state, sender.key(), ticket, context.waker());
                    Poll::Pending
                }
                result => {
                    leave(state, sender.key(), ticket);
                    Poll::Ready(result)
                }
            }
        })
    }
}

/// Waits until then at most; `late` is the error after that.
async fn within<R>(by: Option<Instant>, work: impl Future<Output = Result<R>>, late: Error) -> Result<R> {
    match by {
        Some(by) => timeout_at(by, work).await.unwrap_or(Err(late)),
        None => work.await,
    }
}

/// Whether what a message is refused for passes: then who sends waits for that.
fn passes(error: &SendError) -> bool {
    use SendError::{Full, Incomplete, NoCredit, Unsettled, WindowClosed};
    matches!(error, NoCredit | WindowClosed | Full | Incomplete | Unsettled(_))
}

fn wait(state: &mut State, key: SenderKey, ticket: &mut Option<Ticket>, waker: &Waker) {
    let spent = state.links.get_mut(&key.into()).and_then(|link| link.line.wait(ticket, waker));
    state.spent.extend(spent);
}

/// Gives a place up: it is the next one's turn.
fn leave(state: &mut State, key: SenderKey, ticket: &mut Option<Ticket>) {
    let Some(ticket) = ticket.take() else { return };
    if let Some(link) = state.links.get_mut(&key.into()) {
        let spent = link.line.leave(ticket);
        link.line.wake_first(&mut state.wakes);
        state.spent.extend(spent);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            self.sender.guard.shared().with(|state| leave(state, self.sender.key(), &mut self.ticket));
        }
    }
}

impl From<&Sender> for LinkKey {
    fn from(sender: &Sender) -> Self {
        sender.key().into()
    }
}
