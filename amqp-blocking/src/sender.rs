//! [`Sender`]: the handle of a link on which this end sends.

use std::thread::Thread;
use std::time::{Duration, Instant};

use amqp_proto::client::{Error, Outgoing, Result};
use amqp_proto::config::SendOptions;
use amqp_proto::driver::{self, Ending};
use amqp_proto::wire::{self, Outcome};

use crate::sent::{Sent, SentOutcomes};
use crate::wait::{ready, ready_by};
use crate::writer::MessageWriter;

/// A link on which this end sends. Clones are handles to the same one, for any thread.
///
/// It is closed by [`close`](Self::close), or when the last handle to it, or to a delivery that was sent over it, is
/// dropped.
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
    pub fn send(&self, message: impl Into<Outgoing>) -> Result<Outcome> {
        let by = self.send_by();
        self.queue(message, by)?.outcome_by(by, Error::Unconfirmed)
    }

    /// Sends a message as soon as there is credit; its outcome may be waited for, or not.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if there was no credit in time, where [`with_send_timeout`](crate::SenderBuilder::with_send_timeout)
    /// says so; nothing was sent then.
    pub fn send_queued(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        self.queue(message, self.send_by())
    }

    /// Sends a message once there is credit, unless that takes too long: then it is not sent, and the error is
    /// [`Error::TimedOut`].
    pub fn send_queued_timeout(&self, message: impl Into<Outgoing>, span: Duration) -> Result<Sent> {
        self.queue(message, Instant::now().checked_add(span))
    }

    /// Sends a message if there is credit and nobody waits for it, and is refused otherwise.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if it cannot be sent at once; nothing was sent then.
    pub fn try_send(&self, message: impl Into<Outgoing>) -> Result<Sent> {
        driver::Sender::try_send(self, message).map(Sent)
    }

    /// Begins a message whose octets come later, however many, as soon as there is credit. Nothing else is sent on the
    /// link until it is finished or aborted.
    pub fn writer(&self, options: SendOptions) -> Result<MessageWriter> {
        ready(driver::Sender::begin(self, options)).map(MessageWriter)
    }

    /// Waits until a message could be sent: there is credit, and nobody else waits for it.
    pub fn sendable(&self) -> Result<()> {
        ready(driver::Sender::sendable(self))
    }

    /// Returns the outcomes of everything that is sent on the link, for one thread that looks after all of them.
    pub fn outcomes(&self) -> SentOutcomes {
        SentOutcomes(driver::Sender::outcomes(self))
    }

    /// Closes the link for good, after what was sent on it is written, and waits until the peer has done the same. What
    /// is unsettled then has no outcome.
    pub fn close(&self) -> Result<()> {
        ready(driver::Sender::written(self))?;
        ready(driver::Sender::end(self, Ending::Close(None)))
    }

    /// Closes the link at once, says why, and waits until the peer has done the same.
    pub fn close_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        ready(driver::Sender::end(self, Ending::Close(Some(error.into()))))
    }

    /// Detaches the link, so that it can be attached again under its name, as long as a handle of it is kept.
    pub fn detach(&self) -> Result<()> {
        ready(driver::Sender::written(self))?;
        ready(driver::Sender::end(self, Ending::Detach))
    }

    /// Waits until the link is over, and returns how it ended.
    pub fn closed(&self) -> Error {
        ready(driver::Sender::closed(self))
    }

    /// Returns when a message that is sent now has to be sent, and have its outcome.
    fn send_by(&self) -> Option<Instant> {
        Instant::now().checked_add(self.send_timeout()?)
    }

    fn queue(&self, message: impl Into<Outgoing>, by: Option<Instant>) -> Result<Sent> {
        ready_by(driver::Sender::queue(self, message)?, by).map(Sent)
    }
}
