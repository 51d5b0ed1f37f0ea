//! The effect of the engine's events on waiters.

use alloc::vec::Vec;

use super::outcomes::Fate;
use super::state::State;
use super::status::Status;
use super::wake::Wake;
use crate::client::CloseReason;
use crate::machine::{Delivery, Event, Origin, PartEnd, Reason};
use crate::types::{DeliveryKey, Key, LinkKey, ReceiverKey, SenderKey, SessionKey};

/// The greatest number of events that are handled under one lock, so that other threads and tasks have their
/// turn.
const TURN: usize = 128;

impl<W: Wake> State<W> {
    /// Handles events, at most a turn of them; the driver then continues.
    ///
    /// The events of an ended connection are all handled at once, so that every waiter learns that the
    /// connection has ended.
    pub(super) fn dispatch(&mut self) {
        let mut left = TURN;
        while left > 0 || self.engine.is_over() {
            let Some(cost) = self.dispatch_one() else { return };
            left = left.saturating_sub(cost);
        }
    }

    /// Handles the oldest event, if any. Returns the part of the turn that it has used.
    fn dispatch_one(&mut self) -> Option<usize> {
        let event = self.engine.poll_event()?;
        if self.recovery.is_some() && self.engine.is_over() {
            self.dispatch_last(event);
            return None;
        }
        // The engine has done as much work as it does before others have their turn.
        let cost = if matches!(event, Event::Busy) { TURN } else { 1 };
        self.on_event(event);
        Some(cost)
    }

    pub(super) fn on_event(&mut self, event: Event) {
        match event {
            Event::Message { receiver, delivery } => self.on_message(receiver, delivery),
            Event::Updated { link: LinkKey::Sender(link), delivery, state, settled } => {
                self.on_outcome(link, delivery, Fate::of(state, settled));
            }
            Event::Sendable(key) => self.on_sendable(key),
            Event::Lost { link: LinkKey::Sender(link), delivery, state } => {
                self.on_lost(link, delivery, Fate::of_lost(state));
            }
            Event::Updated { link, .. } | Event::Lost { link, .. } => self.wake_link(link),
            Event::Data { receiver, delivery } | Event::Aborted { receiver, delivery } => {
                self.on_data(receiver, delivery);
            }
            Event::Drained(key) => {
                if let Some(link) = self.link_mut(key.into()) {
                    link.is_drained = true;
                }
                self.wake_link(key.into());
            }
            Event::Stopped(key) => {
                if let Some(link) = self.link_mut(key.into()) {
                    link.is_stopped = true;
                }
                self.wake_link(key.into());
            }
            Event::FlowProperties(key) => {
                if let Some(link) = self.link_mut(key) {
                    link.has_flow_properties = true;
                }
                self.wake_link(key);
            }
            event => self.on_change(event),
        }
    }

    /// Handles the begin or the end of a connection, session or link.
    fn on_change(&mut self, event: Event) {
        match event {
            Event::Opened => self.on_opened(),
            Event::Closed(reason) => {
                let ended = self.end_of(*reason);
                self.set_ended(ended);
            }
            Event::SessionOffered(key) => self.on_session_offered(key),
            Event::SessionBegun(key) => {
                let slot = self.session_slot(key);
                let now = self.now();
                if let Some(session) = slot.and_then(|slot| self.sessions.get_mut(slot)) {
                    session.is_begun = true;
                    session.recipe.iter_mut().for_each(|recipe| recipe.outage.end(now));
                    session.line.wake_all(&mut self.wakes);
                }
            }
            Event::SessionEnded { session, reason } => self.on_session_ended(session, *reason),
            Event::LinkOffered(key) => self.on_link_offered(key),
            Event::LinkAttached(key) => {
                if let Some(link) = self.link_mut(key) {
                    link.is_attached = true;
                }
                if self.recovery.is_some() {
                    self.end_outage(key);
                }
                self.wake_link(key);
            }
            Event::LinkDetached { link, reason, unread, .. } => self.on_link_detached(link, *reason, unread),
            event => self.on_transaction(event),
        }
    }

    /// Records the end of the connection, and wakes everything that waits.
    pub(super) fn set_ended(&mut self, ended: CloseReason) {
        if let Some(recovery) = &mut self.recovery {
            recovery.forget_all_due();
            if ended.is_failure() {
                recovery.log.push(Status::Failed(ended.clone()));
            }
        }
        if let Some(termini) = &self.termini {
            termini.connection_closed();
        }
        self.ended = Some(ended);
        self.line.wake_all(&mut self.wakes);
        self.sessions.each_mut(|session| session.line.wake_all(&mut self.wakes));
        self.links.each_mut(|link| {
            link.line.wake_all(&mut self.wakes);
            link.turns.wake_all(&mut self.wakes);
        });
        self.outcomes.wake_all(&mut self.wakes);
    }

    fn on_session_offered(&mut self, key: SessionKey) {
        if self.takes_offers
            && let Some(slot) = self.hold_session(key)
        {
            self.offered.push_back(slot);
            self.line.wake_all(&mut self.wakes);
        } else if let Ok(mut session) = self.engine.session(key) {
            // The application takes no sessions of the peer.
            let _ = session.end();
        }
    }

    fn on_session_ended(&mut self, key: SessionKey, reason: Reason) {
        let Some(slot) = self.session_slot(key) else { return };
        self.leave_termini(slot);
        if self.pause_session(slot, &reason) {
            return;
        }
        self.default_session = self.default_session.filter(|default| *default != slot);
        let was_offered = self.offered.contains(&slot);
        self.offered.retain(|offered| *offered != slot);
        if was_offered || self.sessions.get(slot).is_some_and(|session| session.guards == 0) {
            // The session has no handle.
            self.sessions.remove(slot);
            return;
        }
        let ended = self.end_of(reason);
        if let Some(session) = self.sessions.get_mut(slot) {
            session.key = None;
            session.ended = Some(ended);
            session.line.wake_all(&mut self.wakes);
        }
        if self.recovery.is_some() {
            for link in self.links_of(slot) {
                self.end_losing(link, None);
                self.wake_ended(link);
            }
        }
    }

    fn on_link_offered(&mut self, key: LinkKey) {
        if self.accept_again(key) {
            return;
        }
        let session = self.session_of(key).filter(|_| self.takes_offers);
        let Some(session) = session.filter(|slot| self.sessions.get(*slot).is_some()) else {
            // The application takes no links of the peer.
            let _ = self.close_engine_link(key, None);
            return;
        };
        let Some(slot) = self.hold_link(key, session) else { return };
        if let Some(session) = self.sessions.get_mut(session) {
            session.offered.push_back(slot);
            session.line.wake_all(&mut self.wakes);
            self.line.wake_all(&mut self.wakes);
        }
    }

    fn on_link_detached(&mut self, key: LinkKey, reason: Reason, unread: Vec<Delivery>) {
        let Some(slot) = self.link_slot(key) else { return };
        let session = self.links.get(slot).map(|link| link.session);
        let session = session.and_then(|session| self.sessions.get_mut(session));
        if let Some(session) = session.filter(|session| session.offered.contains(&slot)) {
            // The application has not taken the link.
            session.offered.retain(|offered| *offered != slot);
            self.links.remove(slot);
            return;
        }
        let unread = match self.pause_link(slot, &reason, unread) {
            Ok(()) => return,
            Err(unread) => unread,
        };
        let is_remote = reason.origin == Origin::Remote;
        let ended = self.end_of(reason);
        if let Some(link) = self.links.get_mut(slot) {
            // If the peer has ended the link, all messages are kept, since the peer may have sent and closed at once.
            // Otherwise only the settled ones are kept, which exist nowhere else.
            link.rest.extend(unread.into_iter().filter(|left| is_remote || left.is_settled()));
            // A detached link can end again: the peer attaches it once more to close it [2.6.5]. Its handles were told.
            link.ended.get_or_insert(ended);
            link.resumption.iter_mut().for_each(|resumption| resumption.attachment = None);
            link.line.wake_all(&mut self.wakes);
            link.turns.wake_all(&mut self.wakes);
        }
        self.wake_outcomes(slot);
    }

    fn on_message(&mut self, key: ReceiverKey, delivery: DeliveryKey) {
        let slot = self.link_slot(key.into());
        let Some(link) = slot.and_then(|slot| self.links.get_mut(slot)) else { return };
        if link.is_streaming {
            link.begun.push_back(delivery);
        }
        link.turns.wake_next(&mut self.wakes);
    }

    fn on_data(&mut self, key: ReceiverKey, delivery: DeliveryKey) {
        if self.unwanted.contains(&delivery) {
            self.drop_rest(key, delivery);
        }
        self.wake_link(key.into());
    }

    /// Reads and drops the octets of a delivery whose reader was dropped.
    pub(crate) fn drop_rest(&mut self, key: ReceiverKey, delivery: DeliveryKey) {
        let part = self.engine.receiver(key).ok().and_then(|mut link| link.read(delivery).ok());
        self.unwanted.retain(|unwanted| *unwanted != delivery);
        if part.is_some_and(|part| part.end == PartEnd::More) {
            self.unwanted.push(delivery);
        }
    }

    fn on_sendable(&mut self, key: SenderKey) {
        let slot = self.link_slot(key.into());
        let Some(link) = slot.and_then(|slot| self.links.get_mut(slot)) else { return };
        link.turns.wake_first(&mut self.wakes);
        link.line.wake_all(&mut self.wakes);
        if let (Some(slot), Some(true)) = (slot, link.replay.as_ref().map(|replay| replay.is_waiting())) {
            self.replay(slot);
        }
    }

    pub(super) fn on_outcome(&mut self, link: SenderKey, delivery: DeliveryKey, fate: Option<Fate>) {
        let Some(fate) = fate else { return };
        let Some(slot) = self.link_slot(link.into()) else { return };
        if self.is_of_resumed(slot, delivery, &fate) {
            return;
        }
        self.on_fate(slot, delivery, fate);
    }

    /// Records the fate of a sent delivery.
    pub(super) fn on_fate(&mut self, slot: Key, delivery: DeliveryKey, fate: Fate) {
        if let Some(link) = self.links.get_mut(slot)
            && let Some(outcomes) = &mut link.outcomes
        {
            let first = link.replay.as_ref().and_then(|replay| replay.first(delivery));
            outcomes.push_back((first.unwrap_or(delivery), fate.clone()));
            link.line.wake_all(&mut self.wakes);
        }
        self.resolve(slot, delivery, fate);
        if self.recovery.is_some() {
            self.replay(slot);
        }
    }

    /// Wakes the waiters for changes of a link.
    fn wake_link(&mut self, key: LinkKey) {
        let slot = self.link_slot(key);
        if let Some(link) = slot.and_then(|slot| self.links.get_mut(slot)) {
            link.line.wake_all(&mut self.wakes);
        }
    }

    pub(super) fn wake_turns(&mut self, slot: Key) {
        if let Some(link) = self.links.get_mut(slot) {
            link.turns.wake_all(&mut self.wakes);
        }
    }
}
