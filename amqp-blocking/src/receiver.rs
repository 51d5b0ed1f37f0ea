//! [`Receiver`]: a link over which this end receives.

use std::thread::Thread;
use std::time::{Duration, Instant};

use amqp_proto::client::{Error, Result};
use amqp_proto::driver::{self, Ending};
use amqp_proto::types::{DeliveryKey, Str, TransactionId};
use amqp_proto::wire::{self, Attach, DeliveryState, Modified, Outcome};

use crate::Delivery;
use crate::incoming::IncomingStream;
use crate::wait::{ready, ready_by};

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
///     // A delivery that `?` drops is released.
///     println!("{:?}", delivery.message()?.body()?);
///     delivery.accept()?;
/// }
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Receiver {
    pub(crate) link: driver::Receiver<Thread>,
}

impl Receiver {
    pub(crate) fn new(link: driver::Receiver<Thread>) -> Self {
        Self { link }
    }

    /// Waits for a message; `None` when the link is over without an error.
    pub fn recv(&self) -> Result<Option<Delivery>> {
        ready(self.link.recv())
    }

    /// Waits for a message for so long at most; then the error is [`Error::TimedOut`].
    pub fn recv_timeout(&self, span: Duration) -> Result<Option<Delivery>> {
        ready_by(self.link.recv(), Instant::now().checked_add(span))
    }

    /// Takes the next message, if there is one; `None` if there is none yet.
    ///
    /// # Errors
    ///
    /// The end of the link once all is taken, also where nothing was wrong: [`Error::or_end`] tells them apart.
    pub fn try_recv(&self) -> Result<Option<Delivery>> {
        self.link.try_recv()
    }

    /// Returns the messages that come, until the link is over. If that is by an error, it is the last item.
    pub fn iter(&self) -> Deliveries<'_> {
        Deliveries { receiver: Some(self) }
    }

    /// Waits for the next message to begin, on a streaming link, to be read while it comes; `None` when the link is over
    /// without an error.
    pub fn recv_stream(&self) -> Result<Option<IncomingStream>> {
        Ok(ready(self.link.read())?.map(IncomingStream::new))
    }

    /// The message was processed.
    pub fn accept(&self, delivery: DeliveryKey) -> Result<()> {
        self.link.accept(delivery)
    }

    /// The message is invalid, and perhaps why.
    pub fn reject(&self, delivery: DeliveryKey, error: impl Into<Option<wire::AmqpError>>) -> Result<()> {
        self.link.reject(delivery, error)
    }

    /// The message was not processed and may go elsewhere, unchanged.
    pub fn release(&self, delivery: DeliveryKey) -> Result<()> {
        self.link.release(delivery)
    }

    /// The message was not processed and may go elsewhere, changed.
    pub fn modify(&self, delivery: DeliveryKey, modified: Modified) -> Result<()> {
        self.link.modify(delivery, modified)
    }

    /// Tells the state of a message. An outcome settles it, unless that is the sender's to do first.
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

    /// Settles a message without an outcome: the sender's default applies. On a link of rcv-settle-mode second that is the
    /// sender's to do.
    pub fn settle(&self, delivery: DeliveryKey) -> Result<()> {
        self.link.settle(delivery)
    }

    /// Waits until a message is settled at both ends, which takes the sender on a link of rcv-settle-mode second.
    pub fn settled(&self, delivery: DeliveryKey) -> Result<()> {
        ready(self.link.settled(delivery))
    }

    /// Grants credit for so many messages in all, whatever there was before.
    pub fn set_credit(&self, messages: u32) -> Result<()> {
        self.link.set_credit(messages)
    }

    /// Grants credit for so many more messages.
    pub fn add_credit(&self, messages: u32) -> Result<()> {
        self.link.add_credit(messages)
    }

    /// Takes all credit back. What is on the way still comes.
    pub fn stop(&self) -> Result<()> {
        self.link.stop()
    }

    /// Asks the sender to use the credit that there is or give it back, and waits until it has: then what it had to
    /// send is there to be received. No more is asked for until credit is granted again.
    pub fn drain(&self) -> Result<()> {
        ready(self.link.drain()?)
    }

    /// Returns how many more messages may come.
    pub fn credit(&self) -> u32 {
        self.link.credit()
    }

    /// Returns how many messages wait at the sender, as far as it has said.
    pub fn available(&self) -> u32 {
        self.link.available()
    }

    /// Returns how many deliveries are unsettled.
    pub fn unsettled(&self) -> u32 {
        self.link.unsettled()
    }

    /// Returns the name of the link; empty once it is closed.
    pub fn name(&self) -> Str {
        self.link.name()
    }

    /// Returns the address of the node that messages come from, as the peer has said: of a dynamic node, the one
    /// that it was given.
    pub fn address(&self) -> Option<Str> {
        self.link.address()
    }

    /// Returns the peer's attach; `None` once the link is over.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.link.peer_attach()
    }

    /// Closes the link for good, and waits until the peer has done the same.
    ///
    /// Before that, the sender is stopped, so that nothing is on its way any more, and messages that were not taken are
    /// released: they go elsewhere at once. Messages that the sender has settled can still be taken. Those that were
    /// taken and not decided about are lost to this link, and their queue has them back.
    pub fn close(&self) -> Result<()> {
        self.link.release_untaken();
        if let Ok(stopping) = self.link.stop_before_close() {
            // A sender that does not stop in time may have sent more, which its queue has back without that.
            let _ = ready(stopping);
        }
        self.link.release_untaken();
        ready(self.link.end(Ending::Close(None)))
    }

    /// Closes the link for good, saying why, and waits until the peer has done the same. Messages that were not taken
    /// are released; what is on its way is not waited for.
    pub fn close_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        self.link.release_untaken();
        ready(self.link.end(Ending::Close(Some(error.into()))))
    }

    /// Detaches the link, so that it can be attached again under its name, as long as a handle of it is kept.
    pub fn detach(&self) -> Result<()> {
        ready(self.link.end(Ending::Detach))
    }

    /// Waits until the link is over, and says how it ended.
    pub fn closed(&self) -> Error {
        ready(self.link.closed())
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
