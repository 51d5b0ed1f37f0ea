//! [`Suspension`]: the deliveries of a link that this end resumes when it is attached again [2.6.13].

use std::collections::BTreeMap;

use super::outcomes::{Awaited, Fate};
use super::state::State;
use super::status::Status;
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::machine::{Event, LinkError, LinkState as Saved, SettleError, UnsettledDelivery};
use crate::types::{DeliveryKey, DeliveryTag, Key, LinkKey};
use crate::view::{ReceiverMut, SessionMut};
use crate::wire::{DeliveryState, Role};

/// The part of a link's recipe by which it is resumed.
#[derive(Debug, Default)]
pub(super) struct Suspension {
    /// The state of the link at its last end, until the link is attached with it.
    state: Option<Box<Saved>>,
    /// The received deliveries that the application has, by tag, until they are resumed.
    away: BTreeMap<DeliveryTag, Away>,
    /// The present keys of resumed deliveries, by the keys under which they were received.
    moved: BTreeMap<DeliveryKey, DeliveryKey>,
}

/// A received delivery whose link is away.
#[derive(Debug)]
struct Away {
    /// The key under which it was received.
    first: DeliveryKey,
    /// The outcome that the application has decided on meanwhile.
    decided: Option<DeliveryState>,
}

impl Suspension {
    /// Keeps the deliveries that the application has received.
    fn suspend(&mut self, deliveries: &[UnsettledDelivery]) {
        let first: BTreeMap<_, _> = self.moved.iter().map(|(first, now)| (*now, *first)).collect();
        self.moved.clear();
        let mut before = core::mem::take(&mut self.away);
        for delivery in deliveries.iter().filter(|delivery| delivery.is_known(Role::Receiver)) {
            let away = match (before.remove(&delivery.tag()), delivery.key.0) {
                (Some(away), _) => away,
                (None, Some(key)) => Away { first: first.get(&key).copied().unwrap_or(key), decided: None },
                (None, None) => continue,
            };
            self.away.insert(delivery.tag(), away);
        }
    }

    /// Keeps the state that the link is attached with next.
    pub(super) fn keep(&mut self, state: Saved) {
        self.state = Some(Box::new(state));
    }

    /// Returns the state to attach the link with, with the outcomes that the application has decided on.
    pub(super) fn state(&self) -> Option<Saved> {
        let mut state = Saved::clone(self.state.as_ref()?);
        for delivery in &mut state.deliveries {
            if let Some(decided) = self.away.get(&delivery.tag()).and_then(|away| away.decided.clone()) {
                delivery.local = Some(decided);
            }
        }
        Some(state)
    }

    /// Returns `true` if the link has deliveries to resume.
    pub(super) fn has_state(&self) -> bool {
        self.state.as_ref().is_some_and(|state| !state.deliveries().is_empty())
    }

    /// Records that the link was attached with its state, which the engine has now.
    pub(super) fn begin(&mut self) {
        self.state = None;
    }

    /// Forgets the deliveries, which the peer does not resume.
    fn forget(&mut self) {
        self.state = None;
        self.away.clear();
    }

    /// Returns the number of received deliveries that wait to be resumed.
    pub(super) fn waiting(&self) -> u32 {
        u32::try_from(self.away.len()).unwrap_or(u32::MAX)
    }

    /// Returns `true` if a delivery was or will be resumed.
    pub(super) fn knows(&self, delivery: DeliveryKey) -> bool {
        self.moved.contains_key(&delivery) || self.is_away(delivery)
    }

    fn is_away(&self, delivery: DeliveryKey) -> bool {
        self.away.values().any(|away| away.first == delivery)
    }

    /// Records an outcome of a delivery that is away. Returns `false` if it is not, or has an outcome.
    fn decide(&mut self, delivery: DeliveryKey, outcome: &DeliveryState) -> bool {
        let away = self.away.values_mut().find(|away| away.first == delivery);
        match away.filter(|away| away.decided.is_none() && outcome.is_terminal()) {
            Some(away) => {
                away.decided = Some(outcome.clone());
                true
            }
            None => false,
        }
    }
}

/// Attaches a link with its state. A state that the engine does not take is an error that another attach may avoid.
pub(super) fn resume(
    session: &mut SessionMut<'_>,
    state: Saved,
    options: super::recipe::LinkOptions,
) -> Result<LinkKey, LinkError> {
    use super::recipe::LinkOptions::{Receiver, Sender};
    match options {
        Sender(options) => session.resume_sender(state, options).map(LinkKey::Sender),
        Receiver(options) => session.resume_receiver(state, options).map(LinkKey::Receiver),
    }
}

impl<W: Wake> State<W> {
    fn suspension_mut(&mut self, slot: Key) -> Option<&mut Suspension> {
        self.links.get_mut(slot)?.recipe.as_mut()?.suspension.as_deref_mut()
    }

    fn suspension(&self, slot: Key) -> Option<&Suspension> {
        self.links.get(slot)?.recipe.as_ref()?.suspension.as_deref()
    }

    /// Handles the events of links that are resumed, at this end's wish or the peer's.
    #[cold]
    pub(super) fn on_suspension(&mut self, event: Event) {
        let (Event::Suspended { link, .. }
        | Event::Resumed { link, .. }
        | Event::Unresumed { link, .. }
        | Event::Unremembered(link)) = &event
        else {
            return;
        };
        let slot = self.link_slot(*link);
        let Some(slot) = slot.filter(|slot| self.suspension(*slot).is_some()) else {
            return self.on_resumption(event);
        };
        if let Event::Resumed { tag, .. } | Event::Unresumed { tag, .. } = &event
            && self.is_of_saved(slot, tag)
        {
            return self.on_resumption(event);
        }
        match event {
            Event::Suspended { link, state } => self.on_suspended(link, *state),
            Event::Resumed { link, tag, delivery, .. } => self.on_resumed(link, &tag, delivery),
            Event::Unresumed { link, tag, state } => self.on_unresumed(link, &tag, state),
            _ => self.on_unremembered(slot),
        }
    }

    /// Returns `true` if a delivery is one of an earlier process, in the state that the link was attached with.
    fn is_of_saved(&self, slot: Key, tag: &DeliveryTag) -> bool {
        let Some(link) = self.links.get(slot).filter(|link| link.resumption.is_some()) else { return false };
        let is_replayed = link.replay.as_ref().is_some_and(|replay| replay.is_resuming(tag));
        let suspension = link.recipe.as_ref().and_then(|recipe| recipe.suspension.as_ref());
        !is_replayed && !suspension.is_some_and(|suspension| suspension.away.contains_key(tag))
    }

    /// Keeps the state of a link that has ended. The end is told next.
    #[cold]
    pub(super) fn on_suspended(&mut self, key: LinkKey, mut state: Saved) {
        let link = self.link_slot(key).and_then(|slot| self.links.get_mut(slot));
        let Some(link) = link else { return };
        let Some(recipe) = &mut link.recipe else { return };
        let Some(suspension) = &mut recipe.suspension else { return };
        match (key, &mut link.replay) {
            (LinkKey::Sender(_), Some(replay)) => {
                let known = replay.suspend(state.deliveries().iter().map(UnsettledDelivery::tag));
                let saved = link.resumption.as_mut().map(|resumption| resumption.take_open());
                let saved = saved.unwrap_or_default();
                state
                    .deliveries
                    .retain(|delivery| known.contains(&delivery.tag) || saved.contains(&delivery.tag));
                // Messages that are not kept, such as those in pieces, are lost.
                let kept = replay.keys();
                let awaited = core::mem::take(&mut link.awaited);
                let lost = awaited.iter().filter(|(delivery, _)| !kept.contains(delivery));
                recipe.outage.lose(lost.map(|(delivery, _)| delivery));
                link.awaited = awaited;
            }
            (LinkKey::Sender(_), None) => return,
            (LinkKey::Receiver(_), _) => suspension.suspend(state.deliveries()),
        }
        suspension.state = Some(Box::new(state));
    }

    /// Stops the deliveries of a link that is detached and has its state, so that the engine has forgotten them.
    pub(super) fn stop_deliveries(&mut self, slot: Key) {
        let Some(link) = self.links.get_mut(slot) else { return };
        let is_resumed = link.recipe.as_ref().is_some_and(|recipe| recipe.suspension.is_some());
        if let Some(replay) = link.replay.as_mut().filter(|_| is_resumed) {
            replay.interrupt();
            link.awaited = Awaited::default();
        }
    }

    /// Goes on with a delivery that the peer resumes, or that is sent again.
    #[cold]
    pub(super) fn on_resumed(&mut self, key: LinkKey, tag: &DeliveryTag, delivery: DeliveryKey) {
        let Some(slot) = self.link_slot(key) else { return };
        let Some(link) = self.links.get_mut(slot) else { return };
        if let Some(replay) = &mut link.replay {
            if let Some(outcome) = replay.resumed(tag, delivery)
                && self.outcomes.send_again(outcome, delivery)
            {
                link.awaited.push(delivery, outcome.index);
            }
            self.replay(slot);
        } else if let Some(suspension) = self.suspension_mut(slot)
            && let Some(away) = suspension.away.remove(tag)
        {
            suspension.moved.insert(away.first, delivery);
            if let (Some(decided), LinkKey::Receiver(key)) = (away.decided, key)
                && let Ok(mut receiver) = self.engine.receiver(key)
            {
                // The sender may know it from the attach.
                let _ = receiver.dispose(delivery, &decided);
            }
        }
    }

    /// Ends a delivery that is not resumed.
    #[cold]
    pub(super) fn on_unresumed(&mut self, key: LinkKey, tag: &DeliveryTag, state: Option<DeliveryState>) {
        let Some(slot) = self.link_slot(key) else { return };
        let fate = Fate::of(state, false).unwrap_or_else(|| Fate::Lost(self.last_end(slot)));
        let Some(link) = self.links.get_mut(slot) else { return };
        if let Some(replay) = &mut link.replay {
            if let Some((first, outcome)) = replay.unresumed(tag) {
                if let Some(outcomes) = &mut link.outcomes {
                    outcomes.push_back((first, fate.clone()));
                    link.line.wake_all(&mut self.wakes);
                }
                let waiter = outcome.and_then(|outcome| self.outcomes.decide(outcome, fate));
                self.wakes.extend(waiter);
            }
            self.replay(slot);
            return;
        }
        let Some(recipe) = &mut link.recipe else { return };
        let Some(suspension) = &mut recipe.suspension else { return };
        suspension.away.remove(tag);
        link.line.wake_all(&mut self.wakes);
        if let (Some(credit), LinkKey::Receiver(key)) = (recipe.credit(), key)
            && let Ok(mut receiver) = self.engine.receiver(key)
        {
            // It had its part of the credit. A link that is detached has none.
            let _ = receiver.set_credit(credit);
        }
    }

    /// Tells that the peer has kept nothing of a link.
    #[cold]
    pub(super) fn on_unremembered(&mut self, slot: Key) {
        let recipe = self.links.get(slot).and_then(|link| link.recipe.as_ref());
        let name = recipe.map(|recipe| recipe.name().clone());
        if let (Some(recovery), Some(link)) = (&mut self.recovery, name) {
            recovery.log.push(Status::NotResumed { link });
            self.line.wake_all(&mut self.wakes);
        }
    }

    /// Gives up resuming a link, which is then attached anew. Returns `false` if it has nothing to resume.
    pub(super) fn give_up_resuming(&mut self, slot: Key) -> bool {
        let Some(suspension) = self.suspension_mut(slot).filter(|suspension| suspension.has_state()) else {
            return false;
        };
        suspension.forget();
        let ended = self.last_end(slot);
        let lost =
            self.links.get_mut(slot).and_then(|link| link.replay.as_mut()).map(|replay| replay.give_up());
        for (first, outcome) in lost.into_iter().flatten() {
            let fate = Fate::Lost(ended.clone());
            if let Some(link) = self.links.get_mut(slot)
                && let Some(outcomes) = &mut link.outcomes
            {
                outcomes.push_back((first, fate.clone()));
                link.line.wake_all(&mut self.wakes);
            }
            let waiter = outcome.and_then(|outcome| self.outcomes.decide(outcome, fate));
            self.wakes.extend(waiter);
        }
        self.on_unremembered(slot);
        true
    }

    /// Returns the present key of a delivery that was received on an earlier attach; `None` while it is away.
    pub(super) fn present_key(&self, slot: Key, delivery: DeliveryKey) -> Option<DeliveryKey> {
        let Some(suspension) = self.suspension(slot) else { return Some(delivery) };
        match suspension.moved.get(&delivery) {
            Some(now) => Some(*now),
            None => (!suspension.is_away(delivery)).then_some(delivery),
        }
    }

    /// Keeps the outcome of a delivery whose link is away, until it is resumed. Returns `false` if it is not away.
    pub(super) fn decide_later(&mut self, slot: Key, delivery: DeliveryKey, outcome: &DeliveryState) -> bool {
        self.suspension_mut(slot).is_some_and(|suspension| suspension.decide(delivery, outcome))
    }

    /// Sends a state of a delivery that was resumed, or keeps it until the delivery is resumed. Returns the error of any
    /// other delivery.
    #[cold]
    pub(super) fn tell_resumed(
        &mut self,
        slot: Key,
        delivery: DeliveryKey,
        later: Option<&DeliveryState>,
        tell: impl Fn(&mut ReceiverMut<'_>, DeliveryKey) -> core::result::Result<(), SettleError>,
        error: Error,
    ) -> Result<()> {
        match self.present_key(slot, delivery) {
            Some(now) if now != delivery => Ok(tell(&mut self.receiver(slot)?, now)?),
            None if later.is_some_and(|outcome| self.decide_later(slot, delivery, outcome)) => Ok(()),
            None => Err(self.link_interrupted(slot).cloned().map_or(error, Error::Interrupted)),
            Some(_) => Err(error),
        }
    }
}
