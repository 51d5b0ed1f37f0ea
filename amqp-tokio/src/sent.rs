//! [`Sent`]: a message that was sent, and its outcome to come.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use amqp_proto::client::Result;
use amqp_proto::driver;
use amqp_proto::types::{DeliveryKey, DeliveryTag};
use amqp_proto::wire::Outcome;
use futures_core::Stream;

/// A message that was sent. A future of its outcome, which need not be awaited: the message goes its way.
///
/// It may be awaited by reference, in a `select!` for one, as often as is wanted: the outcome stays known.
#[derive(Debug)]
#[must_use = "the outcome of the message is not looked at"]
pub struct Sent(pub(crate) driver::Sent<Waker>);

impl Sent {
    /// Names the delivery as long as the connection lives.
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

    /// Returns the outcome, if it is known.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`](crate::Error::Lost) if the link has ended before; [`Error::Undecided`](crate::Error::Undecided) if the receiver has settled without one.
    pub fn try_outcome(&mut self) -> Result<Option<Outcome>> {
        self.0.try_outcome()
    }

    /// Waits for the outcome, which stays known: asked again, this gives it again.
    pub async fn outcome(&mut self) -> Result<Outcome> {
        self.await
    }

    /// Settles it: its outcome is known, or of no interest any more.
    pub fn settle(self) -> Result<()> {
        self.0.settle()
    }
}

impl Future for Sent {
    type Output = Result<Outcome>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_outcome(context.waker())
    }
}

/// The outcomes of everything that is sent on a link, in the order in which they come: a stream.
///
/// It is for one task that looks after a whole link, as a router does. Polling it also waits for any other change of
/// the link: after `Pending`, look at [`Sender::is_sendable`](crate::Sender::is_sendable) and
/// [`Sender::is_draining`](crate::Sender::is_draining). Outcomes are kept until they are polled.
#[derive(Debug)]
pub struct SentOutcomes(pub(crate) driver::SentOutcomes<Waker>);

impl Stream for SentOutcomes {
    type Item = (DeliveryKey, Result<Outcome>);

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll(context.waker())
    }
}
