//! [`Outage`]: the time for which a session or a link is away although its connection may be there.

use core::sync::atomic::Ordering;

use super::outcomes::Fate;
use super::slots::either_end;
use super::state::State;
use super::wake::Wake;
use crate::client::CloseReason;
use crate::machine::{Delivery, Origin, Reason};
use crate::policy::{Prospect, Retries, Scope, classify};
use crate::types::{DeliveryKey, Key, LinkKey, Moment, SenderKey};

/// The interruptions of a session or a link that outlives its connection.
#[derive(Debug, Default)]
pub(super) struct Outage {
    pub(super) retries: Retries,
    /// The last end.
    pub(super) reason: Option<CloseReason>,
    /// `true` once the application knows that the peer has begun or attached it.
    pub(super) is_established: bool,
    /// `true` from an end that passes until the peer has attached it again.
    pub(super) is_away: bool,
    /// The moment of the next attempt, if it is not made at once.
    pub(super) due: Option<Moment>,
    /// The number of losses with which it was lost last.
    pub(super) lost_at: u32,
    /// The number of the first delivery since the link was attached last.
    pub(super) first: u64,
    /// Sent deliveries that were lost, whose link may come back.
    losing: Vec<DeliveryKey>,
}

/// A session or a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    Session(Key),
    Link(Key),
}

impl Outage {
    pub(super) fn begin(&mut self, reason: CloseReason, losses: u32) {
        self.reason = Some(reason);
        (self.is_away, self.lost_at) = (true, losses);
    }

    /// Records that sent deliveries are lost once the end of the link is told.
    pub(super) fn lose(&mut self, deliveries: impl Iterator<Item = DeliveryKey>) {
        self.losing.extend(deliveries);
    }

    /// Records that the peer has begun or attached it.
    pub(super) fn end(&mut self, now: Moment) {
        self.is_away = false;
        self.retries.succeeded(now);
    }
}

impl<W: Wake> State<W> {
    /// Returns the end of a link, or of its connection, if it comes back.
    pub(super) fn link_interrupted(&self, slot: Key) -> Option<&CloseReason> {
        self.interrupted().or_else(|| {
            let link = self.links.get(slot)?;
            let session = self.sessions.get(link.session)?.recipe.as_ref()?;
            let of_session = session.outage.reason.as_ref().filter(|_| session.outage.is_away);
            let outage = &link.recipe.as_ref()?.outage;
            outage.reason.as_ref().filter(|_| outage.is_away).or(of_session)
        })
    }

    /// Returns the end of a session, or of its connection, if it comes back.
    pub(super) fn session_interrupted(&self, slot: Key) -> Option<&CloseReason> {
        self.interrupted().or_else(|| {
            let outage = &self.sessions.get(slot)?.recipe.as_ref()?.outage;
            outage.reason.as_ref().filter(|_| outage.is_away)
        })
    }

    /// Returns the last end of a link that outlives its connection.
    pub(super) fn last_end(&self, slot: Key) -> Option<CloseReason> {
        self.links.get(slot)?.recipe.as_ref()?.outage.reason.clone()
    }

    /// Returns `true` if a session or link that the peer has ended may be had again.
    fn passes(&self, reason: &Reason) -> bool {
        let stays = self.recovery.as_ref().is_some_and(|recovery| !recovery.is_leaving());
        stays
            && self.ended.is_none()
            && reason.origin == Origin::Remote
            && classify(Scope::Link, reason) == Prospect::Passing
    }

    /// Keeps a link whose peer has ended it for a reason that passes. Returns the messages that were not taken if it
    /// does not come back.
    pub(super) fn pause_link(
        &mut self,
        slot: Key,
        reason: &Reason,
        unread: Vec<Delivery>,
    ) -> Result<(), Vec<Delivery>> {
        let link = self.links.get(slot).filter(|link| link.ended.is_none() && !link.is_leaving);
        let session = link.and_then(|link| self.sessions.get(link.session));
        let stays = session.is_some_and(|session| session.ended.is_none() && !session.is_leaving);
        let outage = link.and_then(|link| link.recipe.as_ref()).map(|recipe| &recipe.outage);
        let is_established = outage.is_some_and(|outage| outage.is_established);
        let comes_back = stays && is_established && (self.passes(reason) || self.attaches_anew(slot, reason));
        if !comes_back || !self.retry_link(slot) {
            self.end_losing(slot, None);
            return Err(unread);
        }
        let ended = self.end_of(reason.clone());
        self.end_losing(slot, Some(&ended));
        let key = self.links.get(slot).and_then(|link| link.key);
        let is_suspended =
            key.is_some_and(|key| either_end!(self.engine, key, link => link.is_suspended()) == Some(true));
        self.losses.fetch_add(1, Ordering::Release);
        if is_suspended {
            self.suspend_link(slot, &ended);
        } else {
            self.interrupt_link(slot, unread, &ended);
        }
        if self.is_dynamic(slot) {
            // Requests that wait for credit could not be answered.
            self.links.each_mut(|link| link.turns.wake_all(&mut self.wakes));
        }
        Ok(())
    }

    /// Returns `true` if the peer has refused to resume a link, which is then attached without its deliveries.
    fn attaches_anew(&mut self, slot: Key, reason: &Reason) -> bool {
        let stays =
            self.ended.is_none() && self.recovery.as_ref().is_some_and(|recovery| !recovery.is_leaving());
        let recipe = self.links.get(slot).and_then(|link| link.recipe.as_ref());
        let is_away = recipe.is_some_and(|recipe| recipe.outage.is_away);
        stays && is_away && reason.origin == Origin::Remote && self.give_up_resuming(slot)
    }

    /// Keeps a session that the peer has ended for a reason that passes. Returns `false` if it does not come back.
    pub(super) fn pause_session(&mut self, slot: Key, reason: &Reason) -> bool {
        let session = self
            .sessions
            .get(slot)
            .filter(|session| session.guards > 0 && session.ended.is_none() && !session.is_leaving);
        let outage = session.and_then(|session| session.recipe.as_ref()).map(|recipe| &recipe.outage);
        let is_established = outage.is_some_and(|outage| outage.is_established);
        if !is_established || !self.passes(reason) || !self.retry_session(slot) {
            return false;
        }
        let ended = self.end_of(reason.clone());
        self.interrupt_session(slot, &ended);
        for slot in self.links_of(slot) {
            // Suspended links do not end with their session.
            self.end_losing(slot, Some(&ended));
        }
        true
    }

    /// Stops a link that both ends have detached, and that keeps its key.
    fn suspend_link(&mut self, slot: Key, ended: &CloseReason) {
        let losses = self.losses.load(Ordering::Relaxed);
        let Some(link) = self.links.get_mut(slot) else { return };
        link.is_attached = false;
        (link.is_drained, link.is_stopped) = (true, true);
        if let Some(recipe) = &mut link.recipe {
            recipe.outage.begin(ended.clone(), losses);
        }
        link.line.wake_all(&mut self.wakes);
        link.turns.wake_all(&mut self.wakes);
        self.stop_deliveries(slot);
    }

    /// Records the moment at which a link is attached again. Returns `false` if the rules allow no attempt.
    pub(super) fn retry_link(&mut self, slot: Key) -> bool {
        let now = self.now();
        let (Some(recovery), Some(link)) = (&mut self.recovery, self.links.get_mut(slot)) else {
            return false;
        };
        let Some(recipe) = &mut link.recipe else { return false };
        recovery.retry(Slot::Link(slot), &mut recipe.outage, now)
    }

    /// Records the moment at which a session is begun again. Returns `false` if the rules allow no attempt.
    pub(super) fn retry_session(&mut self, slot: Key) -> bool {
        let now = self.now();
        let (Some(recovery), Some(session)) = (&mut self.recovery, self.sessions.get_mut(slot)) else {
            return false;
        };
        let Some(recipe) = &mut session.recipe else { return false };
        recovery.retry(Slot::Session(slot), &mut recipe.outage, now)
    }

    /// Handles the loss of a sent delivery. If its link may come back, the link's end decides what that means.
    pub(super) fn on_lost(&mut self, key: SenderKey, delivery: DeliveryKey, fate: Option<Fate>) {
        let slot = self.link_slot(key.into()).filter(|_| fate.is_none());
        let is_stale = slot.is_some_and(|slot| self.is_stale(slot, delivery));
        let link = slot.and_then(|slot| self.links.get_mut(slot));
        let outage = link.and_then(|link| link.recipe.as_mut()).map(|recipe| &mut recipe.outage);
        match (outage, slot) {
            (Some(outage), Some(slot)) if is_stale => {
                // The link is attached again already.
                outage.losing.push(delivery);
                let reason = outage.reason.clone();
                self.end_losing(slot, reason.as_ref());
            }
            (Some(outage), _) => outage.losing.push(delivery),
            (None, _) => {
                let fate = fate.unwrap_or(Fate::Lost(None));
                self.on_outcome(key, delivery, Some(fate));
            }
        }
    }

    /// Ends the deliveries that were lost with a link. If the link comes back after this end, messages that are kept
    /// are sent again.
    pub(super) fn end_losing(&mut self, slot: Key, ended: Option<&CloseReason>) {
        let Some(link) = self.links.get_mut(slot) else { return };
        let Some(recipe) = &mut link.recipe else { return };
        let losing = core::mem::take(&mut recipe.outage.losing);
        if losing.is_empty() {
            return;
        }
        let key = link.key;
        let is_closed = key.and_then(|key| either_end!(self.engine, key, _link => ())).is_none();
        for delivery in losing {
            let replay = self.links.get_mut(slot).and_then(|link| link.replay.as_mut());
            let is_kept = ended.is_some() && replay.is_some_and(|replay| replay.unsend(delivery, is_closed));
            if !is_kept {
                self.on_fate(slot, delivery, Fate::Lost(ended.cloned()));
            }
        }
    }

    /// Begins and attaches what is due.
    pub(super) fn restore(&mut self, now: Moment) {
        while let Some(slot) = self.recovery.as_mut().and_then(|recovery| recovery.take_due(now)) {
            match slot {
                Slot::Session(slot) => {
                    self.begin_again(slot);
                    self.links_of(slot).into_iter().for_each(|link| self.attach_if_due(link));
                }
                Slot::Link(slot) => {
                    let link = self.links.get_mut(slot);
                    if let Some(recipe) = link.and_then(|link| link.recipe.as_mut()) {
                        recipe.outage.due = None;
                    }
                    self.attach_if_due(slot);
                }
            }
        }
    }

    /// Attaches a link that is away, unless a later attempt is due.
    fn attach_if_due(&mut self, slot: Key) {
        let recipe = self.links.get(slot).and_then(|link| link.recipe.as_ref());
        if recipe.is_some_and(|recipe| recipe.outage.due.is_none()) {
            self.attach_again(slot);
        }
    }

    /// Returns the links of a session.
    pub(super) fn links_of(&self, session: Key) -> Vec<Key> {
        let is_on = |slot: &Key| self.links.get(*slot).is_some_and(|link| link.session == session);
        self.links.keys().filter(is_on).collect()
    }

    /// Takes the links off the engine of a lost connection that were detached before. They keep the messages that were
    /// not taken and are settled.
    pub(super) fn interrupt_suspended(&mut self, ended: &CloseReason) {
        let slots: Vec<Key> = self.links.keys().collect();
        for slot in slots {
            let Some(link) = self.links.get_mut(slot) else { continue };
            let Some(recipe) = &mut link.recipe else { continue };
            recipe.outage.due = None;
            if !recipe.outage.is_away || link.key.is_none() {
                continue;
            }
            let mut unread = Vec::new();
            if let Some(LinkKey::Receiver(key)) = link.key
                && let Ok(mut receiver) = self.engine.receiver(key)
            {
                unread.extend(core::iter::from_fn(|| receiver.receive()));
            }
            self.end_losing(slot, Some(ended));
            self.interrupt_link(slot, unread, ended);
        }
        self.sessions.each_mut(|session| {
            session.recipe.iter_mut().for_each(|recipe| recipe.outage.due = None);
        });
    }
}
