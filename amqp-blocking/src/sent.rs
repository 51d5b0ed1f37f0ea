//! [`Sent`]: a sent message, to wait for its outcome.

use std::thread::Thread;
use std::time::{Duration, Instant};

use amqp_proto::client::{Error, Result};
use amqp_proto::driver;
use amqp_proto::types::DeliveryKey;
use amqp_proto::wire::Outcome;

use crate::wait::{parked, parked_until};

/// A sent message, to wait for its outcome. If it is dropped, the message is delivered all the same.
#[derive(Debug)]
#[must_use = "the outcome of the message is not looked at"]
pub struct Sent(pub(crate) driver::Sent<Thread>);

driver::handles! { Thread: Sent }

driver::skin::sent!();

impl Sent {
    /// Waits for the outcome for at most this time.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if the outcome has not arrived in time; also those of [`outcome`](Self::outcome).
    pub fn outcome_timeout(&self, span: Duration) -> Result<Outcome> {
        self.outcome_by(Instant::now().checked_add(span), Error::TimedOut)
    }

    /// Waits for the outcome until `by` at the latest; then the error is `late`.
    pub(crate) fn outcome_by(&self, by: Option<Instant>, late: Error) -> Result<Outcome> {
        parked_until(by, |me| driver::Sent::poll_outcome(self, me)).unwrap_or(Err(late))
    }
}

/// The outcomes of all messages of a link, in the order of their arrival: an iterator.
///
/// It is for one thread that handles a whole link, such as a router. It ends after the link, when all outcomes are
/// taken.
#[derive(Debug)]
pub struct SentOutcomes(pub(crate) driver::SentOutcomes<Thread>);

impl Iterator for SentOutcomes {
    type Item = (DeliveryKey, Result<Outcome>);

    fn next(&mut self) -> Option<Self::Item> {
        parked(|me| self.0.poll(me))
    }
}
