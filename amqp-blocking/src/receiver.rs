//! [`Receiver`]: a link over which this end receives.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_proto::config::OnDrop;
use amqp_proto::endpoint::{Error, Result, STOP_BEFORE_CLOSE};
use amqp_proto::types::{DeliveryKey, ReceiverKey, Str, TransactionId};
use amqp_proto::wire::{self, Attach, DeliveryState, Modified, Outcome, Rejected};

use crate::delivery::Delivery;
use crate::incoming::IncomingStream;
use crate::link::LinkHandle;
use crate::shared::Shared;
use crate::state::State;
use crate::waiters::On;

/// A link over which this end receives. Clones are handles to the same one, for any thread: each message goes to one
/// of those who wait.
///
/// It is closed by [`close`](Self::close), or when the last handle to it, or to a message from it, is dropped.
///
/// ```
/// # let listener = amqp_blocking::Listener::bind("127.0.0.1:0")?;
/// # let url = format!("amqp://{}", listener.local_addr()?);
/// # std::thread::spawn(move || {
/// #     let connection = listener.accept()?.open()?;
/// #     while let Some(offer) = connection.next_offer()? {
/// #         if let amqp_blocking::Accepted::Sender(sender) = offer.accept()? {
/// #             sender.send("job-content")?;
/// #             sender.close()?;
/// #         }
/// #     }
/// #     Ok::<(), amqp_blocking::Error>(())
/// # });
/// use amqp_blocking::Connection;
///
/// let connection = Connection::open(&url)?;
/// for delivery in &connection.receiver("jobs").attach()? {
///     let delivery = delivery?;
///     println!("{:?}", delivery.message()?.body()?); // what is left by `?` is given back
///     delivery.accept()?;
/// }
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Clone)]
pub struct Receiver {
    key: ReceiverKey,
    link: Arc<LinkHandle>,
}

impl Receiver {
    pub(crate) fn new(key: ReceiverKey, link: LinkHandle) -> Self {
        Self { key, link: Arc::new(link) }
    }

    /// Waits for a message; `None` when the link is over without an error.
    pub fn recv(&self) -> Result<Option<Delivery>> {
        self.wait(None).unwrap_or(Err(Error::TimedOut)).map(Some).or_else(Error::or_end)
    }

    /// The same, for so long at most; then the error is [`Error::TimedOut`].
    pub fn recv_timeout(&self, span: Duration) -> Result<Option<Delivery>> {
        self.wait(Instant::now().checked_add(span))
            .unwrap_or(Err(Error::TimedOut))
            .map(Some)
            .or_else(Error::or_end)
    }

    /// Takes the next message, if there is one; `None` if there is none yet.
    ///
    /// # Errors
    ///
    /// The end of the link once all is taken, also where nothing was wrong: [`Error::or_end`] tells them apart.
    pub fn try_recv(&self) -> Result<Option<Delivery>> {
        self.wait(Some(Instant::now())).transpose()
    }

    /// The messages that come, until the link is over. If that is by an error, it is the last item.
    pub fn iter(&self) -> Deliveries<'_> {
        Deliveries { receiver: Some(self) }
    }

    /// Waits for the next message to begin, on a streaming link, to be read while it comes; `None` when the link is over
    /// without an error.
    pub fn recv_stream(&self) -> Result<Option<IncomingStream>> {
        let begun = self.link.shared().wait(On::Inbox(self.key), None, |state| {
            let begun = state.links.get_mut(&self.key.into()).and_then(|link| link.begun.pop_front());
            match begun {
                Some(key) => {
                    let (tag, on_drop) = (state.unsettled_tag(self.key, key), state.on_drop(self.key));
                    Some(Ok(IncomingStream::new(self.clone(), key, tag, on_drop)))
                }
                None => self.link.ended(state).map(Err),
            }
        });
        begun.unwrap_or(Err(Error::TimedOut)).map(Some).or_else(Error::or_end)
    }

    fn wait(&self, by: Option<Instant>) -> Option<Result<Delivery>> {
        self.link.shared().wait(self.on(), by, |state| self.take(state))
    }

    /// What a thread waits on for a message.
    pub(crate) fn on(&self) -> On {
        On::Inbox(self.key)
    }

    pub(crate) fn shared(&self) -> &Shared {
        self.link.shared()
    }

    pub(crate) fn take(&self, state: &mut State) -> Option<Result<Delivery>> {
        if let Ok(mut receiver) = state.connection.receiver(self.key)
            && let Some(delivery) = receiver.receive()
        {
            let on_drop = receiver.on_drop();
            return Some(Ok(Delivery::new(self.clone(), delivery, on_drop)));
        }
        let left = state.links.get_mut(&self.key.into()).and_then(|link| link.left.pop_front());
        match left {
            Some(delivery) => Some(Ok(Delivery::new(self.clone(), delivery, OnDrop::Keep))),
            None => self.link.ended(state).map(Err),
        }
    }

    /// The message was processed.
    pub fn accept(&self, delivery: DeliveryKey) -> Result<()> {
        self.dispose(delivery, &Outcome::Accepted.into())
    }

    /// The message is invalid, and perhaps why.
    pub fn reject(&self, delivery: DeliveryKey, error: impl Into<Option<wire::Error>>) -> Result<()> {
        let error = error.into().map(Box::new);
        self.dispose(delivery, &Outcome::from(Rejected { error }).into())
    }

    /// The message was not processed and may go elsewhere, unchanged.
    pub fn release(&self, delivery: DeliveryKey) -> Result<()> {
        self.dispose(delivery, &Outcome::Released.into())
    }

    /// The message was not processed and may go elsewhere, changed.
    pub fn modify(&self, delivery: DeliveryKey, modified: Modified) -> Result<()> {
        self.dispose(delivery, &Outcome::from(modified).into())
    }

    /// Tells the state of a message. An outcome settles it, unless that is the sender's to do first.
    pub fn dispose(&self, delivery: DeliveryKey, state: &DeliveryState) -> Result<()> {
        let told = state;
        self.link.shared().act(|state| match state.connection.receiver(self.key) {
            Ok(mut receiver) => Ok(receiver.dispose(delivery, told)?),
            Err(_) => Err(self.link.gone(state)),
        })
    }

    /// Retires a message within a transaction without settling it [4.4.2]: the outcome applies when the transaction is
    /// discharged. If that is rolled back, the message can be retired again or get an outcome.
    pub fn retire(
        &self,
        delivery: DeliveryKey,
        transaction: TransactionId,
        outcome: impl Into<Outcome>,
    ) -> Result<()> {
        self.link.shared().act(|state| match state.connection.receiver(self.key) {
            Ok(mut receiver) => Ok(receiver.retire(delivery, transaction, outcome)?),
            Err(_) => Err(self.link.gone(state)),
        })
    }

    /// Settles a message without an outcome: the sender's default applies. On a link of rcv-settle-mode second that is the
    /// sender's to do.
    pub fn settle(&self, delivery: DeliveryKey) -> Result<()> {
        self.link.shared().act(|state| match state.connection.receiver(self.key) {
            Ok(mut receiver) => Ok(receiver.settle(delivery)?),
            Err(_) => Err(self.link.gone(state)),
        })
    }

    /// Waits until a message is settled at both ends, which takes the sender on a link of rcv-settle-mode second.
    pub fn settled(&self, delivery: DeliveryKey) -> Result<()> {
        self.link.wait(|state, _| state.connection.delivery(delivery).is_err().then_some(Ok(())))
    }

    /// Grants credit for so many messages in all, whatever there was before.
    pub fn set_credit(&self, messages: u32) -> Result<()> {
        self.link.shared().act(|state| match state.connection.receiver(self.key) {
            Ok(mut receiver) => Ok(receiver.set_credit(messages)?),
            Err(_) => Err(self.link.gone(state)),
        })
    }

    /// Grants credit for so many more messages.
    pub fn add_credit(&self, messages: u32) -> Result<()> {
        self.link.shared().act(|state| match state.connection.receiver(self.key) {
            Ok(mut receiver) => Ok(receiver.add_credit(messages)?),
            Err(_) => Err(self.link.gone(state)),
        })
    }

    /// Takes all credit back. What is on the way still comes.
    pub fn stop(&self) -> Result<()> {
        self.link.shared().act(|state| match state.connection.receiver(self.key) {
            Ok(mut receiver) => Ok(receiver.stop()?),
            Err(_) => Err(self.link.gone(state)),
        })
    }

    /// Asks the sender to use the credit that there is or give it back, and waits until it has: then what it had to
    /// send is there to be received. No more is asked for until credit is granted again.
    pub fn drain(&self) -> Result<()> {
        self.link.shared().act(|state| match state.connection.receiver(self.key) {
            Ok(mut receiver) => {
                receiver.drain()?;
                state.set_drained(self.key, false);
                Ok(())
            }
            Err(_) => Err(self.link.gone(state)),
        })?;
        self.link.wait(|state, _| state.is_drained(self.key).then_some(Ok(())))
    }

    /// How many more messages may come.
    pub fn credit(&self) -> u32 {
        self.link.shared().act(|state| state.connection.receiver(self.key).map_or(0, |link| link.credit()))
    }

    /// How many messages wait at the sender, as far as it has said.
    pub fn available(&self) -> u32 {
        self.link.shared().act(|state| state.connection.receiver(self.key).map_or(0, |link| link.available()))
    }

    /// How many deliveries are unsettled.
    pub fn unsettled(&self) -> u32 {
        self.link.unsettled_len()
    }

    /// The name of the link; empty once it is closed.
    pub fn name(&self) -> Str {
        self.link.name()
    }

    /// The address of the node that messages come from, as the peer has said: of a dynamic node, the one that it was
    /// given.
    pub fn address(&self) -> Option<Str> {
        self.peer_attach()?.source?.address
    }

    /// What the peer's attach says; `None` once the link is over.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.link.peer_attach()
    }

    /// Closes the link for good, and waits until the peer has done the same.
    ///
    /// Before that, the sender is stopped, so that nothing is on its way any more, and messages that were not taken are
    /// released: they go elsewhere at once. Messages that the sender has settled can still be taken. Those that were
    /// taken and not decided about are lost to this link, and their queue has them back.
    pub fn close(&self) -> Result<()> {
        self.release_untaken();
        // A sender that does not stop in time may have sent more, which its queue has back without that.
        let _ = self.stopped();
        self.release_untaken();
        self.link.close(None)
    }

    /// Closes the link for good, saying why, and waits until the peer has done the same. Messages that were not taken
    /// are released; what is on its way is not waited for.
    pub fn close_with(&self, error: impl Into<wire::Error>) -> Result<()> {
        self.release_untaken();
        self.link.close(Some(error.into()))
    }

    /// Stops the sender, and waits a while until nothing is on its way any more.
    fn stopped(&self) -> Result<()> {
        let is_granted = self.link.shared().act(|state| {
            let Ok(mut receiver) = state.connection.receiver(self.key) else {
                return Err(self.link.gone(state));
            };
            let is_granted = receiver.credit() > 0;
            receiver.stop()?;
            state.set_stopped(self.key, !is_granted);
            Ok(is_granted)
        })?;
        if !is_granted {
            return Ok(());
        }
        let by = Instant::now().checked_add(STOP_BEFORE_CLOSE);
        self.link.wait_until(by, |state, _| state.is_stopped(self.key).then_some(Ok(())))
    }

    fn release_untaken(&self) {
        self.link.shared().act(|state| state.release_untaken(self.key));
    }

    /// Detaches the link, so that it can be attached again under its name, as long as a handle of it is kept.
    pub fn detach(&self) -> Result<()> {
        self.link.detach()
    }

    /// Waits until the link is over, and says how it ended.
    pub fn closed(&self) -> Error {
        self.link.closed()
    }

    pub(crate) fn key(&self) -> ReceiverKey {
        self.key
    }

    pub(crate) fn link(&self) -> &LinkHandle {
        &self.link
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.key)
    }
}

/// The messages of a receiver, as they come.
#[derive(Debug)]
pub struct Deliveries<'a> {
    /// `None` after the end.
    receiver: Option<&'a Receiver>,
}

impl Iterator for Deliveries<'_> {
    type Item = Result<Delivery>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.receiver?.recv().transpose();
        if !matches!(item, Some(Ok(_))) {
            self.receiver = None;
        }
        item
    }
}

impl<'a> IntoIterator for &'a Receiver {
    type Item = Result<Delivery>;
    type IntoIter = Deliveries<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
