//! [`Sent`]: a message that was sent, and its outcome to come.

use std::thread::Thread;
use std::time::{Duration, Instant};

use amqp_proto::client::{Error, Result};
use amqp_proto::driver;
use amqp_proto::types::DeliveryKey;
use amqp_proto::wire::Outcome;

use crate::wait::{parked, parked_until};

/// A message that was sent. Its outcome can be waited for; dropped, it is of no interest, and the message is sent
/// all the same.
#[derive(Debug)]
#[must_use = "the outcome of the message is not looked at"]
pub struct Sent(pub(crate) driver::Sent<Thread>);

impl Sent {
    /// Waits for the outcome, which stays known: asked again, this gives it again. A message that was sent settled
    /// counts as accepted.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] if the link has ended before; [`Error::Undecided`] if the receiver has settled without one.
    pub fn outcome(&self) -> Result<Outcome> {
        self.outcome_by(None, Error::TimedOut)
    }

    /// Waits for the outcome for so long at most; then the error is [`Error::TimedOut`].
    ///
    /// # Errors
    ///
    /// See [`outcome`](Self::outcome).
    pub fn outcome_timeout(&self, span: Duration) -> Result<Outcome> {
        self.outcome_by(Instant::now().checked_add(span), Error::TimedOut)
    }

    /// Waits for the outcome until then at most; `late` is the error after that.
    pub(crate) fn outcome_by(&self, by: Option<Instant>, late: Error) -> Result<Outcome> {
        parked_until(by, |me| driver::Sent::poll_outcome(self, me)).unwrap_or(Err(late))
    }
}

/// The outcomes of everything that is sent on a link, in the order in which they come: an iterator.
///
/// It is for one thread that looks after a whole link, as a router does. It ends with the link, once all are taken.
#[derive(Debug)]
pub struct SentOutcomes(pub(crate) driver::SentOutcomes<Thread>);

impl Iterator for SentOutcomes {
    type Item = (DeliveryKey, Result<Outcome>);

    fn next(&mut self) -> Option<Self::Item> {
        parked(|me| self.0.poll(me))
    }
}
