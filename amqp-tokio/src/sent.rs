//! [`Sent`]: a message that was sent, and its outcome to come.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use amqp_proto::endpoint::{Error, Result};
use amqp_proto::types::{DeliveryKey, DeliveryTag};
use amqp_proto::wire::Outcome;

use crate::link::SenderGuard;
use crate::outcome::Tracked;
use crate::state::State;

/// A message that was sent. A future of its outcome, which need not be awaited: the message goes its way.
///
/// It may be awaited by reference, in a `select!` for one, as often as is wanted: the outcome stays known.
#[must_use = "the outcome of the message is not looked at"]
pub struct Sent {
    guard: Arc<SenderGuard>,
    key: DeliveryKey,
    is_settled: bool,
    /// The outcome, once it was asked for and known.
    outcome: Option<Result<Outcome>>,
}

impl Sent {
    pub(crate) fn new(guard: Arc<SenderGuard>, key: DeliveryKey, is_settled: bool) -> Self {
        Self { guard, key, is_settled, outcome: None }
    }

    /// Names the delivery as long as the connection lives.
    pub fn key(&self) -> DeliveryKey {
        self.key
    }

    /// The tag, as long as the delivery is not settled.
    pub fn tag(&self) -> Option<DeliveryTag> {
        Some(self.guard.shared().lock().engine.delivery(self.key).ok()?.tag())
    }

    /// Whether it was sent settled, so that there is no outcome to come: it counts as accepted.
    pub fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Returns the outcome, if it is known.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] if the link has ended before; [`Error::Undecided`] if the receiver has settled without one.
    pub fn try_outcome(&mut self) -> Result<Option<Outcome>> {
        let known = self.poll_outcome(&mut Context::from_waker(Waker::noop()));
        match known {
            Poll::Ready(outcome) => outcome.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// Waits for the outcome, which stays known: asked again, this gives it again.
    pub async fn outcome(&mut self) -> Result<Outcome> {
        self.await
    }

    /// Settles it: its outcome is known, or of no interest any more.
    pub fn settle(self) -> Result<()> {
        self.guard.shared().with(|state| Ok(self.guard.engine(state)?.settle(self.key)?))
    }

    pub(crate) fn guard(&self) -> &Arc<SenderGuard> {
        &self.guard
    }

    fn poll_outcome(&mut self, context: &mut Context<'_>) -> Poll<Result<Outcome>> {
        if self.is_settled {
            return Poll::Ready(Ok(Outcome::Accepted));
        }
        if let Some(outcome) = &self.outcome {
            return Poll::Ready(outcome.clone());
        }
        let (guard, key) = (&self.guard, self.key);
        let outcome = guard.shared().with(|state| {
            let lost = |state: &State| {
                let over = guard.over(state);
                over.as_ref().and_then(Error::ended).cloned().map_or(Error::Undecided, Error::Lost)
            };
            match state.sent.remove(&key) {
                Some(Tracked::Known(outcome)) => Poll::Ready(Ok(outcome)),
                Some(Tracked::Undecided) => Poll::Ready(Err(Error::Undecided)),
                Some(Tracked::Waiting(link, waker)) => {
                    state.spent.extend(waker);
                    if guard.over(state).is_some() {
                        return Poll::Ready(Err(lost(state)));
                    }
                    state.sent.insert(key, Tracked::Waiting(link, Some(context.waker().clone())));
                    Poll::Pending
                }
                Some(Tracked::Lost) | None => Poll::Ready(Err(lost(state))),
            }
        });
        if let Poll::Ready(outcome) = &outcome {
            self.outcome = Some(outcome.clone());
        }
        outcome
    }
}

impl Future for Sent {
    type Output = Result<Outcome>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_outcome(context)
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if self.outcome.is_none() && !self.is_settled {
            // What is dropped here may be a task's last waker: not under the lock.
            self.guard.shared().with(|state| state.sent.remove(&self.key));
        }
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent").field("key", &self.key).field("is_settled", &self.is_settled).finish()
    }
}
