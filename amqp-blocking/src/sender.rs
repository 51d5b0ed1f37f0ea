//! [`Sender`]: sends messages.

use std::thread::Thread as Waiter;
use std::time::{Duration, Instant};

use amqp_proto::client::{Error, Outgoing, Result};
use amqp_proto::driver::{self, Queued};
use amqp_proto::wire::Outcome;

use crate::sent::{Sent, SentOutcomes};
use crate::wait::{ready, ready_by};
use crate::writer::MessageWriter;

/// A handle of a link on which this end sends. Clones are cheap handles of the same link, for any thread.
///
/// Senders wait for credit in turn; once a message has credit, nothing else delays it. [`close`](Self::close) closes
/// the link; so does dropping its last handle and its last [`Sent`].
///
/// ```
#[doc = include_str!("../docs/server.md")]
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
pub struct Sender(pub(crate) driver::Sender<Waiter>);

driver::handles! { Waiter: Sender }
driver::skin::sender!();

impl Sender {
    /// Sends a message like [`send_queued`](Self::send_queued), with this bound in place of the send timeout.
    ///
    /// # Errors
    ///
    /// See [`send_queued`](Self::send_queued).
    pub fn send_queued_timeout(&self, message: impl Into<Outgoing>, span: Duration) -> Result<Sent> {
        self.queue(message, Instant::now().checked_add(span))
    }

    /// Returns the time until which a message that is sent now must get its outcome.
    fn send_by(&self) -> Option<Instant> {
        Instant::now().checked_add(self.send_timeout()?)
    }

    fn send_within(&self, message: impl Into<Outgoing>, by: Option<Instant>) -> Result<Outcome> {
        let sent = match driver::Sender::queue_and_wait(self, message)? {
            Queued::Sent(sent) => sent,
            Queued::Waiting(queued) => ready_by(queued, by)?,
        };
        Sent(sent).outcome_by(by, Error::Unconfirmed)
    }

    fn queue(&self, message: impl Into<Outgoing>, by: Option<Instant>) -> Result<Sent> {
        match driver::Sender::queue(self, message)? {
            Queued::Sent(sent) => Ok(Sent(sent)),
            Queued::Waiting(queued) => ready_by(queued, by).map(Sent),
        }
    }
}
