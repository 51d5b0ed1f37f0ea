//! [`Sent`]: a sent message, and the future of its outcome.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use amqp_proto::client::Result;
use amqp_proto::driver;
use amqp_proto::types::DeliveryKey;
use amqp_proto::wire::Outcome;
use futures_core::Stream;

/// A sent message: a future of its outcome. If it is not awaited, the message is delivered all the same.
///
/// Await it by reference as often as needed, such as in a `select!`: the outcome stays known.
///
/// # Cancel safety
///
/// Dropping this changes nothing about the message.
#[derive(Debug)]
#[must_use = "the outcome of the message is not looked at"]
pub struct Sent(pub(crate) driver::Sent<Waker>);

driver::handles! { Waker: Sent }

driver::skin::sent!(async);

impl Future for Sent {
    type Output = Result<Outcome>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        driver::Sent::poll_outcome(&self, context.waker())
    }
}

/// The outcomes of all messages of a link, in the order of their arrival: a [`Stream`].
///
/// It is for one task that handles a whole link, such as a router. The task is also woken by every other change of
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
