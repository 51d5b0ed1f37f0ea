//! The deliveries of a link that this end resumes when it is attached again [2.6.13].

use super::outcomes::{Awaited, Fate};
use super::state::State;
use super::status::Status;
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::machine::{Event, LinkError, LinkState as Saved, SettleError, Suspension, UnsettledDelivery};
use crate::types::{DeliveryKey, DeliveryTag, Key, LinkKey};
use crate::view::{ReceiverMut, SessionMut};
use crate::wire::DeliveryState;

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
        !is_replayed && !suspension.is_some_and(|suspension| suspension.is_waiting(tag))
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
        suspension.keep(state);
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
            && let Some(away) = suspension.resumed(tag, delivery)
            && let (Some(decided), LinkKey::Receiver(key)) = (away.decided, key)
            && let Ok(mut receiver) = self.engine.receiver(key)
        {
            // The sender may know it from the attach.
            let _ = receiver.dispose(delivery, &decided);
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
        suspension.unresumed(tag);
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
        let has_state = self.suspension(slot).is_some_and(Suspension::has_state);
        if has_state {
            self.stop_resuming(slot);
            self.on_unremembered(slot);
        }
        has_state
    }

    /// Waits for no delivery of a link to be resumed, since the link is attached without its state: messages are sent
    /// again, or lost.
    pub(super) fn stop_resuming(&mut self, slot: Key) {
        if let Some(suspension) = self.suspension_mut(slot) {
            drop(suspension.forget());
        }
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
    }

    /// Returns the present key of a delivery that was received on an earlier attach; `None` while it is away.
    pub(super) fn present_key(&self, slot: Key, delivery: DeliveryKey) -> Option<DeliveryKey> {
        let Some(suspension) = self.suspension(slot) else { return Some(delivery) };
        suspension.present(delivery)
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
