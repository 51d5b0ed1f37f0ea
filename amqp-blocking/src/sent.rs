//! [`Sent`]: a message that was sent, and its outcome.

use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use amqp_proto::client::{Error, Result};
use amqp_proto::driver;
use amqp_proto::types::{DeliveryKey, DeliveryTag};
use amqp_proto::wire::Outcome;

use crate::wait::park_until;

/// A message that was sent. Its outcome can be waited for; dropped, it is of no interest, and the message is sent
/// all the same.
#[derive(Debug)]
#[must_use = "the outcome of the message is not looked at"]
pub struct Sent(pub(crate) driver::Sent<Thread>);

impl Sent {
    /// Returns the engine's key of it.
    pub fn key(&self) -> DeliveryKey {
        self.0.key()
    }

    /// Returns the tag, as long as the delivery is not settled.
    pub fn tag(&self) -> Option<DeliveryTag> {
        self.0.tag()
    }

    /// Returns whether it was sent settled, so that there is no outcome to come: it counts as accepted.
    pub fn is_settled(&self) -> bool {
        self.0.is_settled()
    }

    /// Waits for the outcome. What was sent settled counts as accepted.
    pub fn outcome(&self) -> Result<Outcome> {
        self.outcome_by(None, Error::TimedOut)
    }

    /// Waits for the outcome for so long at most; then the error is [`Error::TimedOut`].
    pub fn outcome_timeout(&self, span: Duration) -> Result<Outcome> {
        self.outcome_by(Instant::now().checked_add(span), Error::TimedOut)
    }

    /// Returns the outcome, if it is known.
    pub fn try_outcome(&self) -> Result<Option<Outcome>> {
        self.0.try_outcome()
    }

    /// Settles it: its outcome is of no interest any more, or is known and the link does not settle by itself.
    pub fn settle(self) -> Result<()> {
        self.0.settle()
    }

    /// Waits for the outcome until then at most; `late` is the error after that.
    pub(crate) fn outcome_by(&self, by: Option<Instant>, late: Error) -> Result<Outcome> {
        let me = thread::current();
        park_until(by, late, || {
            let outcome = self.0.poll_outcome(&me);
            if outcome.is_pending() {
                // A thread that has nothing else to do writes by itself: that saves a switch to another.
                self.0.flush();
            }
            outcome
        })
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
        let me = thread::current();
        let next = park_until(None, Error::TimedOut, || self.0.poll(&me).map(Ok));
        next.unwrap_or_default()
    }
}
