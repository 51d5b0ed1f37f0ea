//! [`Sender`]: sends messages.

use std::thread::Thread;
use std::time::{Duration, Instant};

use amqp_proto::client::{Error, Outgoing, Result};
use amqp_proto::config::SendOptions;
use amqp_proto::driver::{self, Ending};
use amqp_proto::wire::{self, Outcome};

use crate::sent::{Sent, SentOutcomes};
use crate::wait::{ready, ready_by};
use crate::writer::MessageWriter;

/// A handle of a link on which this end sends. Clones are cheap handles of the same link, for any thread.
///
/// Senders wait for credit in turn; once a message has credit, nothing else delays it. [`close`](Self::close) closes
/// the link; so does dropping its last handle and its last [`Sent`].
///
/// ```
/// # let listener = amqp_blocking::Listener::bind("127.0.0.1:0")?;
/// # let url = format!("amqp://{}", listener.local_addr()?);
/// # std::thread::spawn(move || {
/// #     let connection = listener.accept()?.open()?;
/// #     while let Some(offer) = connection.next_offer()? {
/// #         if let amqp_blocking::Accepted::Receiver(receiver) = offer.accept()? {
/// #             receiver.for_each(1, |_| Ok::<(), amqp_blocking::Error>(()))?;
/// #         }
/// #     }
/// #     Ok::<(), amqp_blocking::Error>(())
/// # });
/// use amqp_blocking::Connection;
/// use amqp_blocking::wire::Outcome;
///
/// let connection = Connection::open(&url)?;
/// let jobs = connection.sender("jobs").attach()?;
///
/// match jobs.send("job-content")? {
///     Outcome::Accepted => println!("done"),
///     other => println!("not done: {other:?}"),
/// }
///
/// let first = jobs.send_queued("one")?;
/// let second = jobs.send_queued("two")?;
/// println!("{:?}, {:?}", first.outcome()?, second.outcome()?);
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sender(pub(crate) driver::Sender<Thread>);

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
    pub fn send(&self, message: impl Into<Outgoing>) -> Result<Outcome> {
        let by = self.send_by();
        self.queue(message, by)?.outcome_by(by, Error::Unconfirmed)
    }

    /// Sends a message once it has credit, without waiting for its outcome. The result can be used to wait for the
    /// outcome.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if there was no credit within the [send timeout](crate::SenderBuilder::with_send_timeout),
    /// and nothing was sent; that of the link's end if the link is over.
    pub fn send_queued(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        self.queue(message, self.send_by())
    }

    /// Sends a message once it has credit, for which this waits at most this time.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if there was no credit in time, and nothing was sent; also those of
    /// [`send_queued`](Self::send_queued).
    pub fn send_queued_timeout(&self, message: impl Into<Outgoing>, span: Duration) -> Result<Sent> {
        self.queue(message, Instant::now().checked_add(span))
    }

    /// Sends a message now, or not at all: if there is no credit, or another thread waits for credit, it is not sent.
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
    pub fn writer(&self, options: SendOptions) -> Result<MessageWriter> {
        ready(driver::Sender::begin(self, options)).map(MessageWriter)
    }

    /// Waits until a message can be sent: there is credit, and no other thread waits for it.
    ///
    /// # Errors
    ///
    /// [`Error::Link`], [`Error::Session`] or [`Error::Connection`] if the link is over.
    pub fn sendable(&self) -> Result<()> {
        ready(driver::Sender::sendable(self))
    }

    /// Returns an iterator of the outcomes of all messages on the link, for one thread that handles all of them.
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
    pub fn close(&self) -> Result<()> {
        ready(driver::Sender::written(self))?;
        ready(driver::Sender::end(self, Ending::Close(None)))
    }

    /// Closes the link at once, with an error for the peer, and waits until the peer has closed it, too.
    ///
    /// # Errors
    ///
    /// See [`close`](Self::close).
    pub fn close_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        ready(driver::Sender::end(self, Ending::Close(Some(error.into()))))
    }

    /// Detaches the link after all sent messages are written, and waits until the peer has detached it, too. While a
    /// handle exists, the link can be attached again by its name.
    ///
    /// # Errors
    ///
    /// See [`close`](Self::close).
    pub fn detach(&self) -> Result<()> {
        ready(driver::Sender::written(self))?;
        ready(driver::Sender::end(self, Ending::Detach))
    }

    /// Waits until the link is over, and returns the reason.
    pub fn closed(&self) -> Error {
        ready(driver::Sender::closed(self))
    }

    /// Returns the time by which a message sent now must have its outcome.
    fn send_by(&self) -> Option<Instant> {
        Instant::now().checked_add(self.send_timeout()?)
    }

    fn queue(&self, message: impl Into<Outgoing>, by: Option<Instant>) -> Result<Sent> {
        ready_by(driver::Sender::queue(self, message)?, by).map(Sent)
    }
}
