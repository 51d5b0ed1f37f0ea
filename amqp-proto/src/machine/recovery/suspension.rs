//! [`Suspension`]: the deliveries of a link that its driver or container resumes when it is attached again [2.6.13].

use alloc::boxed::Box;

use super::state::{LinkState, UnsettledDelivery};
use crate::types::{DeliveryKey, DeliveryTag, Tree};
use crate::wire::{DeliveryState, Role};

/// The state of a link between two attaches, and the received deliveries that the application has.
#[derive(Debug, Default)]
pub(crate) struct Suspension {
    /// The state of the link at its last end, until the link is attached with it.
    state: Option<Box<LinkState>>,
    /// The received deliveries that the application has, by tag, until they are resumed.
    away: Tree<DeliveryTag, Away>,
    /// The present keys of resumed deliveries, by the keys under which they were received.
    moved: Tree<DeliveryKey, DeliveryKey>,
}

/// A received delivery whose link is away.
#[derive(Debug)]
pub(crate) struct Away {
    /// The key under which it was received.
    pub(crate) first: DeliveryKey,
    /// The outcome that the application has decided on meanwhile.
    pub(crate) decided: Option<DeliveryState>,
    /// `true` if the application has decided on it, meanwhile or before.
    pub(crate) has_outcome: bool,
}

impl Suspension {
    /// Keeps the deliveries that the application has received.
    pub(crate) fn suspend(&mut self, deliveries: &[UnsettledDelivery]) {
        let first: Tree<_, _> = self.moved.iter().map(|(first, now)| (*now, *first)).collect();
        self.moved.clear();
        let mut before = core::mem::take(&mut self.away);
        for delivery in deliveries.iter().filter(|delivery| delivery.is_known(Role::Receiver)) {
            let away = match (before.remove(&delivery.tag()), delivery.key.0) {
                (Some(away), _) => away,
                (None, Some(key)) => Away {
                    first: first.get(&key).copied().unwrap_or(key),
                    decided: None,
                    has_outcome: delivery.local.as_ref().is_some_and(DeliveryState::is_terminal),
                },
                (None, None) => continue,
            };
            self.away.insert(delivery.tag(), away);
        }
    }

    /// Keeps the state that the link is attached with next.
    pub(crate) fn keep(&mut self, state: LinkState) {
        self.state = Some(Box::new(state));
    }

    /// Returns the state to attach the link with, with the outcomes that the application has decided on.
    pub(crate) fn state(&self) -> Option<LinkState> {
        let mut state = LinkState::clone(self.state.as_ref()?);
        for delivery in &mut state.deliveries {
            if let Some(decided) = self.away.get(&delivery.tag()).and_then(|away| away.decided.clone()) {
                delivery.local = Some(decided);
            }
        }
        Some(state)
    }

    /// Returns `true` if the link has deliveries to resume.
    #[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "handlers know it from the attach"))]
    pub(crate) fn has_state(&self) -> bool {
        self.state.as_ref().is_some_and(|state| !state.deliveries().is_empty())
    }

    /// Records that the link was attached with its state, which the engine has now.
    pub(crate) fn begin(&mut self) {
        self.state = None;
    }

    /// Forgets the deliveries, which the peer does not resume. Returns those that the application has received.
    pub(crate) fn forget(&mut self) -> impl Iterator<Item = Away> + use<> {
        self.state = None;
        core::mem::take(&mut self.away).into_values()
    }

    /// Returns the number of received deliveries that wait to be resumed.
    #[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "handlers restore no credit"))]
    pub(crate) fn waiting(&self) -> u32 {
        u32::try_from(self.away.len()).unwrap_or(u32::MAX)
    }

    /// Returns `true` if the delivery with this tag waits to be resumed.
    #[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "handlers save no states"))]
    pub(crate) fn is_waiting(&self, tag: &DeliveryTag) -> bool {
        self.away.contains_key(tag)
    }

    /// Returns `true` if a delivery was or will be resumed.
    #[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "handlers have tokens"))]
    pub(crate) fn knows(&self, delivery: DeliveryKey) -> bool {
        self.moved.contains_key(&delivery) || self.is_away(delivery)
    }

    fn is_away(&self, delivery: DeliveryKey) -> bool {
        self.away.values().any(|away| away.first == delivery)
    }

    /// Returns the present key of a delivery that was received on an earlier attach; `None` while it is away.
    #[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "handlers have tokens"))]
    pub(crate) fn present(&self, delivery: DeliveryKey) -> Option<DeliveryKey> {
        match self.moved.get(&delivery) {
            Some(now) => Some(*now),
            None => (!self.is_away(delivery)).then_some(delivery),
        }
    }

    /// Records an outcome of a delivery that is away. Returns `false` if it is not, or has an outcome.
    pub(crate) fn decide(&mut self, delivery: DeliveryKey, outcome: &DeliveryState) -> bool {
        let away = self.away.values_mut().find(|away| away.first == delivery);
        match away.filter(|away| !away.has_outcome && outcome.is_terminal()) {
            Some(away) => {
                (away.decided, away.has_outcome) = (Some(outcome.clone()), true);
                true
            }
            None => false,
        }
    }

    /// Records that the peer resumes a delivery, which has this key now. Returns what was kept of it.
    pub(crate) fn resumed(&mut self, tag: &DeliveryTag, now: DeliveryKey) -> Option<Away> {
        let away = self.away.remove(tag)?;
        self.moved.insert(away.first, now);
        Some(away)
    }

    /// Records that the peer does not resume a delivery. Returns what was kept of it.
    pub(crate) fn unresumed(&mut self, tag: &DeliveryTag) -> Option<Away> {
        self.away.remove(tag)
    }
}
