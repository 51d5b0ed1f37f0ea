//! The restoring of sessions and links: what was interrupted is begun and attached again, and what the application
//! leaves is not.

use super::outage::Slot;
use super::slots::either_end;
use super::state::State;
use super::wake::Wake;
use crate::client::CloseReason;
use crate::config::SessionOptions;
use crate::machine::{Event, LinkError, Origin, Reason, SessionError};
use crate::types::{Key, LinkKey};

impl<W: Wake> State<W> {
    /// Begins a session again that is in no engine.
    pub(super) fn begin_again(&mut self, slot: Key) {
        let Some(session) = self.sessions.get_mut(slot).filter(|session| session.key.is_none()) else {
            return;
        };
        let Some(recipe) = session.recipe.as_mut().filter(|_| session.ended.is_none()) else { return };
        recipe.outage.due = None;
        match self.engine.begin(SessionOptions::clone(&recipe.options)) {
            Ok(key) => {
                session.key = Some(key);
                self.session_slots.set(key.0, slot);
            }
            Err(SessionError::Channels) if self.retry_session(slot) => {}
            Err(error) => {
                if let Some(session) = self.sessions.get_mut(slot) {
                    session.ended = Some(CloseReason::new(refused(&error), None));
                    session.line.wake_all(&mut self.wakes);
                }
                self.wake_links_of(slot);
            }
        }
    }

    /// Attaches a link again that is away, if its session is there.
    pub(super) fn attach_again(&mut self, slot: Key) {
        let Some(link) = self.links.get(slot).filter(|link| link.ended.is_none()) else { return };
        let Some(recipe) = link.recipe.as_ref().filter(|recipe| link.key.is_none() || recipe.outage.is_away)
        else {
            return;
        };
        let Some(session) = self.sessions.get(link.session).and_then(|session| session.key) else { return };
        let (before, state) =
            (link.key, recipe.suspension.as_ref().and_then(|suspension| suspension.state()));
        let is_resumed = state.is_some();
        let (attached, numbers) = match self.engine.session(session) {
            Ok(mut session) => (recipe.attach(&mut session, state), session.next_numbers()),
            Err(_) => (Err(LinkError::NoSession), (0, 0)),
        };
        match attached {
            Ok(key) => {
                if !is_resumed {
                    self.stop_resuming(slot);
                }
                self.attached_again(slot, key, before, numbers);
            }
            Err(LinkError::OtherLink | LinkError::Coordinator | LinkError::Limit)
                if self.give_up_resuming(slot) =>
            {
                self.attach_again(slot);
            }
            // The peer may give up the name, or end other links.
            Err(LinkError::NameInUse | LinkError::Handles | LinkError::Limit) if self.retry_link(slot) => {}
            Err(error) => {
                if let Some(link) = self.links.get_mut(slot) {
                    link.ended = Some(CloseReason::new(refused(&error), None));
                }
                self.wake_ended(slot);
            }
        }
    }

    fn attached_again(&mut self, slot: Key, key: LinkKey, before: Option<LinkKey>, numbers: (u64, u64)) {
        self.link_slots.set(key.key(), slot);
        let Some(link) = self.links.get_mut(slot) else { return };
        link.key = Some(key);
        let Some(recipe) = &mut link.recipe else { return };
        recipe.suspension.iter_mut().for_each(|suspension| suspension.begin());
        match key {
            LinkKey::Sender(_) => recipe.outage.first = numbers.0,
            LinkKey::Receiver(receiver) => {
                if before != Some(key) {
                    recipe.outage.first = numbers.1;
                }
                if let (Some(credit), Ok(mut receiver)) = (recipe.credit(), self.engine.receiver(receiver)) {
                    // The link is attached at this end.
                    let _ = receiver.set_credit(credit);
                }
            }
        }
    }

    /// Accepts a link that is away and that the peer attaches again. Returns `false` if it is another link.
    pub(super) fn accept_again(&mut self, key: LinkKey) -> bool {
        let (slot, session) = (self.link_slot(key), self.session_of(key));
        let Some(slot) = slot else { return false };
        let link = self.links.get(slot).filter(|link| Some(link.session) == session);
        let link = link.filter(|link| link.ended.is_none() && !link.is_leaving);
        let recipe = link.and_then(|link| link.recipe.as_ref());
        let Some(recipe) = recipe.filter(|recipe| recipe.outage.is_away) else { return false };
        let state = recipe.suspension.as_ref().and_then(|suspension| suspension.state());
        let is_resumed = state.is_some();
        if !recipe.accept(&mut self.engine, key, state) {
            let is_accepted = is_resumed && recipe.accept(&mut self.engine, key, None);
            if !is_accepted {
                return false;
            }
            self.give_up_resuming(slot);
        }
        self.forget_link_due(slot);
        let session = session.and_then(|session| self.sessions.get(session)?.key);
        let session = session.and_then(|session| self.engine.session(session).ok());
        let numbers = session.map(|session| session.next_numbers()).unwrap_or_default();
        self.attached_again(slot, key, Some(key), numbers);
        self.on_event(Event::LinkAttached(key));
        true
    }

    /// Records that the peer has attached a link again.
    pub(super) fn end_outage(&mut self, key: LinkKey) {
        let (now, slot) = (self.now(), self.link_slot(key));
        let link = slot.and_then(|slot| self.links.get_mut(slot));
        let recipe = link.and_then(|link| link.recipe.as_mut());
        if let (Some(recipe), Some(slot)) = (recipe, slot) {
            recipe.outage.end(now);
            if let (Some(messages), LinkKey::Sender(key)) = (recipe.available(), key)
                && let Ok(mut sender) = self.engine.sender(key)
            {
                // If the link is detached already, the next attach announces it.
                let _ = sender.set_available(messages);
            }
            // The engine may have dropped the link meanwhile.
            let reason = self.last_end(slot);
            self.end_losing(slot, reason.as_ref());
        }
    }

    /// Wakes the waiters for the links of a session that is over.
    pub(super) fn wake_links_of(&mut self, session: Key) {
        self.links_of(session).into_iter().for_each(|slot| self.wake_ended(slot));
    }

    /// Wakes the waiters for a link that is over.
    pub(super) fn wake_ended(&mut self, slot: Key) {
        if let Some(link) = self.links.get_mut(slot) {
            link.line.wake_all(&mut self.wakes);
            link.turns.wake_all(&mut self.wakes);
        }
        self.wake_outcomes(slot);
    }

    /// Records that the application knows that the peer has begun a session.
    pub(super) fn establish_session(&mut self, slot: Key) {
        let recipe = self.sessions.get_mut(slot).and_then(|session| session.recipe.as_mut());
        if let Some(recipe) = recipe {
            recipe.outage.is_established = true;
        }
    }

    pub(super) fn forget_session_due(&mut self, slot: Key) {
        let recipe = self.sessions.get_mut(slot).and_then(|session| session.recipe.as_mut());
        if let (Some(recovery), Some(recipe)) = (&mut self.recovery, recipe) {
            recovery.forget_due(Slot::Session(slot), &mut recipe.outage);
        }
    }

    pub(super) fn forget_link_due(&mut self, slot: Key) {
        let recipe = self.links.get_mut(slot).and_then(|link| link.recipe.as_mut());
        if let (Some(recovery), Some(recipe)) = (&mut self.recovery, recipe) {
            recovery.forget_due(Slot::Link(slot), &mut recipe.outage);
        }
    }

    /// Records that the application ends a session, so that it is not begun again.
    pub(super) fn leave_session(&mut self, slot: Key) {
        self.forget_session_due(slot);
        let Some(session) = self.sessions.get_mut(slot) else { return };
        session.is_leaving = true;
        if session.key.is_none() {
            session.ended.get_or_insert_with(|| CloseReason::new(Reason::local(None), None));
            session.line.wake_all(&mut self.wakes);
            self.wake_links_of(slot);
        }
    }

    /// Records that the application detaches or closes a link, so that it is not attached again.
    pub(super) fn leave_link(&mut self, slot: Key) {
        self.forget_link_due(slot);
        let Some(link) = self.links.get_mut(slot) else { return };
        link.is_leaving = true;
        let is_away = link.recipe.as_ref().is_some_and(|recipe| recipe.outage.is_away);
        // A suspended link that the application closes is over at once, although its close is still written.
        let is_over = link.key.is_none_or(|key| {
            is_away && either_end!(self.engine, key, link => link.is_suspended()).unwrap_or(true)
        });
        if is_over {
            link.ended.get_or_insert_with(|| CloseReason::new(Reason::local(None), None));
            self.wake_ended(slot);
        }
    }
}

/// Returns the reason of a session or link that could not be begun or attached again.
fn refused(error: &dyn core::fmt::Display) -> Reason {
    Reason { origin: Origin::Transport, ..Reason::transport(format!("not restored: {error}")) }
}
