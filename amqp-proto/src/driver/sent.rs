//! [`Sent`]: a sent message that waits for its outcome.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::task::Poll;

use super::guard::LinkGuard;
use super::hub::Next;
use super::line::Ticket;
use super::outcomes::Fate;
use super::state::{LineId, State};
use super::wake::Wake;
use crate::client::{CloseReason, Error, Result};
use crate::types::{DeliveryKey, DeliveryTag, Key};
use crate::wire::Outcome;

/// A sent message. Its outcome is kept while the value exists.
#[derive(Debug)]
pub struct Sent<W: Wake> {
    pub(super) guard: Arc<LinkGuard<W>>,
    key: DeliveryKey,
    /// `None` for a message that was sent settled.
    slot: Option<Key>,
}

impl<W: Wake> Sent<W> {
    pub(super) fn new(guard: Arc<LinkGuard<W>>, key: DeliveryKey, slot: Option<Key>) -> Self {
        Self { guard, key, slot }
    }

    /// Returns the key of the delivery. A message that is sent again keeps the first one.
    pub fn key(&self) -> DeliveryKey {
        self.key
    }

    /// Returns the delivery tag, until the delivery is settled.
    pub fn tag(&self) -> Option<DeliveryTag> {
        self.guard.hub().look(|state| Some(state.engine.delivery(self.current(state)).ok()?.tag()))
    }

    /// Returns `true` if the message was sent settled: it has no outcome, and counts as accepted.
    pub fn is_settled(&self) -> bool {
        self.slot.is_none()
    }

    /// Polls for the outcome. If pending, the waiter is woken when the outcome arrives; it replaces an
    /// earlier waiter.
    pub fn poll_outcome(this: &Self, waiter: &W) -> Poll<Result<Outcome>> {
        let Some(slot) = this.slot else { return Poll::Ready(Ok(Outcome::Accepted)) };
        let hub = this.guard.hub();
        if let outcome @ Poll::Ready(_) = hub.look(|state| this.look(state)) {
            return outcome;
        }
        hub.with_then(|state| {
            let outcome = this.look(state);
            if outcome.is_pending() {
                let spent = state.outcomes.wait(slot, waiter);
                state.spent.extend(spent);
            }
            let next = Next::after(&outcome);
            (outcome, next)
        })
    }

    /// Returns the outcome, if it has arrived.
    ///
    /// # Errors
    ///
    /// `Error::Lost` if the link ended before the outcome, `Error::Undecided` if the receiver has settled
    /// without an outcome.
    pub fn try_outcome(&self) -> Result<Option<Outcome>> {
        match self.guard.hub().look(|state| self.look(state)) {
            Poll::Ready(outcome) => outcome.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    fn look(&self, state: &mut State<W>) -> Poll<Result<Outcome>> {
        let Some(slot) = self.slot else { return Poll::Ready(Ok(Outcome::Accepted)) };
        match state.outcomes.fate(slot) {
            Some(Fate::Known(outcome)) => Poll::Ready(Ok(outcome.clone())),
            Some(Fate::Undecided) => Poll::Ready(Err(Error::Undecided)),
            Some(Fate::Lost(reason)) => Poll::Ready(Err(self.lost(state, reason.clone()))),
            None => Poll::Ready(Err(self.lost(state, None))),
            Some(Fate::Unsettled) if state.link_over(self.guard.slot).is_some() => {
                Poll::Ready(Err(self.lost(state, None)))
            }
            Some(Fate::Unsettled) => Poll::Pending,
        }
    }

    /// Returns the error of a delivery whose link ended before its outcome.
    fn lost(&self, state: &State<W>, reason: Option<CloseReason>) -> Error {
        let over = state.link_over(self.guard.slot);
        reason.or_else(|| over?.ended().cloned()).map_or(Error::Undecided, Error::Lost)
    }

    /// Returns the error of a delivery of an earlier connection, or from before its link was attached again.
    pub(super) fn lost_connection(&self, state: &State<W>) -> Option<Error> {
        if !state.is_stale(self.guard.slot, self.key) {
            return None;
        }
        let reason = match self.slot.and_then(|slot| state.outcomes.fate(slot)) {
            Some(Fate::Lost(reason)) => reason.clone(),
            _ => state.last_end(self.guard.slot),
        };
        Some(self.lost(state, reason))
    }

    /// Settles the delivery: this end knows the outcome, or does not need it.
    ///
    /// # Errors
    ///
    /// `Error::Settle` if the delivery is settled; `Error::Link`, `Error::Session` or `Error::Connection` if
    /// one of them is over.
    pub fn settle(&self) -> Result<()> {
        self.guard.hub().with(|state| {
            let current = self.current(state);
            Ok(state.sender(self.guard.slot)?.settle(current)?)
        })
    }

    /// Returns the key on the present connection, if the message was sent again.
    fn current(&self, state: &State<W>) -> DeliveryKey {
        self.slot.and_then(|slot| state.outcomes.delivery(slot)).unwrap_or(self.key)
    }
}

impl<W: Wake> Drop for Sent<W> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            // The dropped value may be a task's last waker, which must not be dropped under the lock.
            let spent = self.guard.hub().look(|state| state.forget(slot));
            drop(spent);
        }
    }
}

/// The outcomes of all messages sent on a link, in the order of their arrival.
///
/// For one task that handles a whole link, as in a router. A poll also waits for any other change of the
/// link: after `Pending`, check [`Sender::is_sendable`](super::Sender::is_sendable) and
/// [`Sender::is_draining`](super::Sender::is_draining). Outcomes are kept until they are polled.
#[derive(Debug)]
pub struct SentOutcomes<W: Wake> {
    guard: Arc<LinkGuard<W>>,
    ticket: Option<Ticket>,
}

impl<W: Wake> SentOutcomes<W> {
    pub(super) fn new(guard: Arc<LinkGuard<W>>) -> Self {
        guard.hub().with(|state| {
            if let Some(link) = state.links.get_mut(guard.slot) {
                link.outcomes.get_or_insert_default();
            }
        });
        Self { guard, ticket: None }
    }

    /// Polls for the next outcome; `None` if the link is over and all outcomes were taken. The messages without an outcome
    /// are lost then, also those that wait to be sent again.
    pub fn poll(&mut self, waiter: &W) -> Poll<Option<(DeliveryKey, Result<Outcome>)>> {
        let slot = self.guard.slot;
        self.guard.hub().attempt(LineId::Link(slot), &mut self.ticket, waiter, |state| {
            let over = state.link_over(slot);
            let next = state.links.get_mut(slot).and_then(|link| {
                if over.is_some() && link.outcomes.as_ref().is_some_and(VecDeque::is_empty) {
                    link.lose_kept();
                }
                link.outcomes.as_mut()?.pop_front()
            });
            match (next, over) {
                (Some((key, Fate::Known(outcome))), _) => Poll::Ready(Some((key, Ok(outcome)))),
                (Some((key, Fate::Lost(reason))), over) => {
                    let reason = reason.or_else(|| over?.ended().cloned());
                    Poll::Ready(Some((key, Err(reason.map_or(Error::Undecided, Error::Lost)))))
                }
                (Some((key, _)), _) => Poll::Ready(Some((key, Err(Error::Undecided)))),
                (None, Some(_)) => Poll::Ready(None),
                (None, None) => Poll::Pending,
            }
        })
    }
}

impl<W: Wake> Drop for SentOutcomes<W> {
    fn drop(&mut self) {
        let place = LineId::Link(self.guard.slot);
        let kept = self.guard.hub().with(|state| {
            state.leave(place, &mut self.ticket, &mut None);
            state.links.get_mut(self.guard.slot).and_then(|link| link.outcomes.take())
        });
        drop(kept);
    }
}
