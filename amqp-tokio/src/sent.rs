//! [`Sent`]: a message that was sent, and its outcome to come.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use amqp_proto::client::Result;
use amqp_proto::driver;
use amqp_proto::types::DeliveryKey;
use amqp_proto::wire::Outcome;
use futures_core::Stream;

/// A message that was sent. A future of its outcome, which need not be awaited: the message goes its way.
///
/// It may be awaited by reference, in a `select!` for one, as often as is wanted: the outcome stays known.
#[derive(Debug)]
#[must_use = "the outcome of the message is not looked at"]
pub struct Sent(pub(crate) driver::Sent<Waker>);

impl Sent {
    /// Waits for the outcome, which stays known: asked again, this gives it again. A message that was sent settled
    /// counts as accepted.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`](crate::Error::Lost) if the link has ended before; [`Error::Undecided`](crate::Error::Undecided)
    /// if the receiver has settled without an outcome.
    pub async fn outcome(&self) -> Result<Outcome> {
        poll_fn(|context| driver::Sent::poll_outcome(self, context.waker())).await
    }
}

impl Future for Sent {
    type Output = Result<Outcome>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        driver::Sent::poll_outcome(&self, context.waker())
    }
}

/// The outcomes of everything that is sent on a link, in the order in which they come: a [`Stream`].
///
/// It is for one task that looks after a whole link, as a router does. Polling it also waits for any other change of
/// the link: after `Pending`, look at [`is_sendable`](driver::Sender::is_sendable) and
/// [`is_draining`](driver::Sender::is_draining). Outcomes are kept until they are polled.
#[derive(Debug)]
pub struct SentOutcomes(pub(crate) driver::SentOutcomes<Waker>);

impl Stream for SentOutcomes {
    type Item = (DeliveryKey, Result<Outcome>);

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll(context.waker())
    }
}
