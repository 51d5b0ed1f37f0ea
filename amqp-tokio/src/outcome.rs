//! [`Tracked`]: what is known of the outcome of a delivery that was sent.

use std::task::Waker;

use amqp_proto::types::{DeliveryKey, SenderKey};
use amqp_proto::wire::{DeliveryState, Outcome};

use crate::state::State;

/// A delivery whose outcome somebody may ask for.
#[derive(Debug)]
pub(crate) enum Tracked {
    /// None yet; who asks for it.
    Waiting(SenderKey, Option<Waker>),
    Known(Outcome),
    /// It was settled without one.
    Undecided,
    /// Its link ended before.
    Lost,
}

impl Tracked {
    /// What the receiver has told; nothing, if the outcome is still to come.
    pub(crate) fn of(state: Option<DeliveryState>, settled: bool) -> Option<Self> {
        match state {
            Some(DeliveryState::Outcome(outcome)) => Some(Self::Known(outcome)),
            Some(DeliveryState::Transactional(state)) if state.outcome.is_some() => {
                state.outcome.map(Self::Known)
            }
            _ => settled.then_some(Self::Undecided),
        }
    }
}

impl State {
    /// The peer has told of a delivery, or its link ended.
    #[inline]
    pub(crate) fn on_outcome(
        &mut self,
        link: SenderKey,
        delivery: DeliveryKey,
        outcome: Option<Tracked>,
        is_settled: bool,
    ) {
        if is_settled && !self.starved.is_empty() {
            for key in std::mem::take(&mut self.starved) {
                self.wake_link(key.into());
            }
        }
        let Some(outcome) = outcome else { return };
        if let Some(tracked) = self.sent.get_mut(&delivery) {
            if let Tracked::Waiting(_, waker) = tracked {
                self.wakes.extend(waker.take());
                *tracked = outcome;
            }
        } else if let Some(state) = self.links.get_mut(&link.into())
            && let Some(outcomes) = &mut state.outcomes
        {
            outcomes.push_back((delivery, outcome));
            state.waiters.wake_all(&mut self.wakes);
        }
    }

    /// A link is detached: who waits for outcomes on it is to look again.
    pub(crate) fn wake_outcomes(&mut self, key: SenderKey) {
        for tracked in self.sent.values_mut() {
            if let Tracked::Waiting(link, waker) = tracked
                && *link == key
            {
                self.wakes.extend(waker.take());
            }
        }
    }
}
