//! The refusal, detach and close of links, and the fate of their deliveries [2.6.3-2.6.6].

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::attach::too_large;
use super::receiver::{Arrival, Held, Receiver};
use super::{Link, LinkEnd, LinkHalf};
use crate::machine::command_error::LinkError;
use crate::machine::delivery::{Delivery, Record, Tags, forget};
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::fault::{Fault, LinkFault, SessionFault};
use crate::machine::reason::Reason;
use crate::types::{DeliveryKey, Handle, Key, LinkIx, LinkKey, SessionIx, TreeSet};
use crate::wire::{AmqpError, Attach, Condition, Detach, Role};

impl Link {
    /// Returns `true` if both ends have detached the link and neither has closed it.
    pub(crate) fn is_suspended(&self) -> bool {
        self.halves.is_suspended()
    }

    /// Stops the link's traffic. Returns the room in the session's window that an incomplete delivery held.
    pub(crate) fn stop(&mut self) -> Held {
        match &mut self.end {
            LinkEnd::Sender(sender) => {
                sender.end();
                Held::default()
            }
            LinkEnd::Receiver(receiver) => {
                receiver.end();
                receiver.drop_partial()
            }
        }
    }

    /// Takes the messages that the application has not taken.
    fn take_unread(&mut self) -> VecDeque<Arrival> {
        self.receiver().map(Receiver::clear).unwrap_or_default()
    }
}

impl Endpoints {
    /// Refuses a link that the peer has attached [2.6.3].
    pub(crate) fn refuse_link(&mut self, index: LinkIx, error: AmqpError) -> Result<(), LinkError> {
        let (key, _) = self.offered(index)?;
        let session = self.links.get(key).map(|link| link.session).ok_or(LinkError::NotOffered)?;
        self.begun_session(session.index)?;
        self.send_closing(key, Some(&error))?;
        self.detached(index, true, Reason::local(Some(error)));
        Ok(())
    }

    /// Detaches a link, or closes it for good. Without an error, waits until a complete delivery is written.
    pub(crate) fn detach(
        &mut self,
        index: LinkIx,
        closed: bool,
        error: Option<AmqpError>,
    ) -> Result<(), LinkError> {
        let Some(link) = self.links.at(index) else { return Err(LinkError::Detached) };
        let (local, remote, session) = (link.halves.local(), link.halves.remote(), link.session);
        match (local, remote) {
            (LinkHalf::Attached, _) if !self.may_send_on(session) => return Err(LinkError::NoSession),
            (LinkHalf::Attached, _) if error.is_none() && self.is_unfinished(index) => {
                return if self.detach_later(index, closed) { Ok(()) } else { Err(LinkError::Detached) };
            }
            (LinkHalf::Attached, _) => {}
            // A suspended link is closed by attaching it again, which needs an open connection.
            (LinkHalf::Detached, LinkHalf::Detached) if closed && !self.is_open => {
                return Err(LinkError::NoSession);
            }
            (LinkHalf::Detached, LinkHalf::Detached) if closed => {
                self.close_suspended(index, error);
                return Ok(());
            }
            (LinkHalf::Unattached, LinkHalf::Attached) => {
                let error = error.unwrap_or_else(|| AmqpError::new(Condition::DetachForced));
                return self.refuse_link(index, error);
            }
            _ => return Err(LinkError::Detached),
        }
        self.send_detach(index, closed, error.as_ref());
        self.detached(index, closed, Reason::local(error));
        Ok(())
    }

    /// Closes a link for a fault of the peer [2.6.5].
    ///
    /// Returns `false` if the fault cannot be answered on the link: this end has not begun its session, or
    /// has no handle left.
    #[cold]
    pub(crate) fn fail_link(&mut self, index: LinkIx, fault: &LinkFault) -> bool {
        let error = AmqpError::from(fault.clone());
        let Some(link) = self.links.at(index) else { return true };
        match link.halves.local() {
            LinkHalf::Attached => self.send_detach(index, true, Some(&error)),
            LinkHalf::Unattached => {
                let key = link.key;
                if self.send_closing(key, Some(&error)).is_err() {
                    return false;
                }
            }
            LinkHalf::Detached | LinkHalf::Closed => {}
        }
        if let Some(link) = self.links.at(index) {
            link.halves.close_local();
        }
        self.tell_detached(index, true, Reason::local(Some(error)));
        true
    }

    /// Handles a detach, which ends a link or answers a detach of this end.
    pub(crate) fn on_detach(&mut self, index: SessionIx, detach: Detach) -> Result<(), Fault> {
        let handle = detach.handle.get();
        let Some(session) = self.sessions.at(index).filter(|session| session.listens()) else {
            return Ok(());
        };
        let Some(link) = session.handles.get(handle) else {
            return self.on_bare_detach(index, detach);
        };
        session.handles.remove(handle);
        self.write_dispositions(index);
        let Some(found) = self.links.at(link) else { return Ok(()) };
        found.halves.detach_received(detach.closed);
        found.has_failed = detach.error.is_some();
        let (key, local, ours) = (found.key, found.halves.local(), found.reason.take());
        let is_refused = found.is_refused;
        match local {
            LinkHalf::Attached => {
                self.send_detach(link, detach.closed, None);
                if let Some(found) = self.links.at(link) {
                    found.halves.detach_sent(detach.closed);
                }
                self.tell_detached(link, detach.closed, Reason::remote(detach.error));
            }
            LinkHalf::Unattached => {
                let error = detach.error.clone();
                self.answer_withdrawn(key);
                self.tell_detached(link, true, Reason::remote(error));
            }
            LinkHalf::Detached if detach.closed && is_refused => {
                // The peer refused the link, so it has no terminus to close.
                let reason = ours.map_or_else(|| Reason::remote(detach.error), |ours| *ours);
                self.tell_detached(link, true, reason);
            }
            LinkHalf::Detached if detach.closed => {
                // The peer closes a link that this end has only detached (L-CLOSE-02).
                self.close_crossed(key, ours, detach.error);
            }
            LinkHalf::Detached => {
                let reason = ours.map_or_else(|| Reason::remote(detach.error), |ours| *ours);
                self.tell_detached(link, false, reason);
            }
            LinkHalf::Closed => match ours {
                Some(reason) => self.tell_detached(link, true, *reason),
                None => self.drop_link(link),
            },
        }
        Ok(())
    }

    /// Handles a detach on a handle that the peer has not attached.
    ///
    /// Some peers refuse a link in this way, without the attach that must come first [2.6.3]. If it is clear
    /// which link of this end is meant, the detach ends that link.
    #[cold]
    fn on_bare_detach(&mut self, session: SessionIx, detach: Detach) -> Result<(), Fault> {
        let handle = detach.handle.get();
        match self.awaited_link(session, handle) {
            Some(link) => {
                self.send_detach(link, true, None);
                if let Some(found) = self.links.at(link) {
                    found.halves.close();
                }
                self.tell_detached(link, true, Reason::remote(detach.error));
                Ok(())
            }
            None => Err(Fault::Session(match detach.error {
                Some(error) => SessionFault::UnattachedDetach(handle, error),
                None => SessionFault::UnattachedHandle(handle),
            })),
        }
    }

    /// Returns the link that the peer may refuse by a detach on this handle: the link with this handle at
    /// this end, or the only link without an answer.
    fn awaited_link(&mut self, session: SessionIx, handle: u32) -> Option<LinkIx> {
        let links = self.sessions.at(session)?.links.clone();
        let is_awaited = |link: &&Link| link.halves.is_attaching();
        let mut awaited = links.iter().filter_map(|index| self.links.peek(*index)).filter(is_awaited);
        let first = awaited.next()?;
        let other = awaited.next();
        if other.is_none() || first.handle == handle {
            return Some(first.key.index);
        }
        other.into_iter().chain(awaited).find(|link| link.handle == handle).map(|link| link.key.index)
    }

    /// Answers a link that the peer has attached and detached before this end has attached it.
    ///
    /// The answer is an attach and a detach [2.6.3], which wait until the session is begun.
    fn answer_withdrawn(&mut self, key: Key<LinkIx>) {
        let refusal = AmqpError::new(Condition::DetachForced);
        if self.send_closing(key, Some(&refusal)).is_ok()
            && let Some(link) = self.links.get_mut(key)
        {
            link.halves.close_local();
        }
    }

    /// Answers all links that the peer attached and detached before the session was begun.
    pub(crate) fn answer_all_withdrawn(&mut self, session: SessionIx) {
        let links = self.sessions.at(session).map(|session| session.links.clone()).unwrap_or_default();
        for index in links {
            let Some(link) = self.links.at(index).filter(|link| link.halves.is_withdrawn()) else { continue };
            let key = link.key;
            self.answer_withdrawn(key);
            self.drop_link(index);
        }
    }

    /// Ends a link with its session.
    pub(crate) fn end_link_of_session(&mut self, index: LinkIx, reason: &Reason) {
        let Some(link) = self.links.at(index) else { return };
        if link.is_suspended() {
            self.lose_deliveries(index);
            return;
        }
        let is_told =
            link.halves.is_withdrawn() || (link.halves.local().is_detached() && link.reason.is_none());
        let own = link.reason.take();
        let is_closed = link.halves.local() == LinkHalf::Closed;
        let resumption = self.resumption.filter(|_| !is_told);
        let suspended = resumption.and_then(|hooks| (hooks.suspend)(self, index, is_closed));
        let Some(link) = self.links.at(index) else { return };
        link.halves.close();
        if is_told {
            self.drop_link(index);
        } else {
            let reason = own.map_or_else(|| reason.brief(), |own| *own);
            self.tell_end(index, false, reason, suspended);
        }
    }

    /// Forgets a link whose end the application has polled, unless it is suspended. Returns the complete
    /// deliveries that the application has not received.
    pub(crate) fn forget_link(&mut self, key: LinkKey) -> Vec<Delivery> {
        let link = self.links.get_mut(key.key()).filter(|link| !link.is_suspended());
        let Some(index) = link.map(|link| link.key.index) else { return Vec::new() };
        let unread = core::iter::from_fn(|| self.receive(index)).collect();
        if let Some(link) = self.links.at(index) {
            link.is_polled = true;
        }
        self.drop_link(index);
        unread
    }

    /// Sends an attach without a terminus, and a closing detach: a refusal [2.6.3], or the close of a link that is
    /// detached [2.6.6].
    pub(super) fn send_closing(
        &mut self,
        key: Key<LinkIx>,
        error: Option<&AmqpError>,
    ) -> Result<(), LinkError> {
        let Some(link) = self.links.get_mut(key) else { return Err(LinkError::NotOffered) };
        let Some(session) = self.sessions.get_mut(link.session).filter(|session| session.is_begun()) else {
            return Err(LinkError::NoSession);
        };
        let handle = session.own_handles.take(session.handle_max).ok_or(LinkError::Handles)?;
        let mut attach = Attach::new(link.name.clone(), Handle::new(handle), link.end.role());
        if let LinkEnd::Sender(sender) = &link.end {
            attach.initial_delivery_count = Some(sender.count());
        }
        let sent = self.fx.send(session.channel, &attach);
        session.own_handles.give_back(handle);
        sent.map_err(too_large)?;
        self.fx.send_error(session.channel, error, |error| detach_frame(handle, true, error));
        Ok(())
    }

    /// Sends a detach and frees this end's handle [2.7.7].
    fn send_detach(&mut self, index: LinkIx, closed: bool, error: Option<&AmqpError>) {
        let Some(link) = self.links.at(index) else { return };
        let (session, handle) = (link.session, link.handle);
        self.write_dispositions(session.index);
        if let Some(session) = self.sessions.get_mut(session).filter(|session| session.is_begun()) {
            session.own_handles.give_back(handle);
            self.fx.send_error(session.channel, error, |error| detach_frame(handle, closed, error));
        }
    }

    /// Continues after this end's detach, which the peer may have answered already.
    fn detached(&mut self, index: LinkIx, closed: bool, reason: Reason) {
        let Some(link) = self.links.at(index) else { return };
        link.halves.detach_sent(closed);
        self.lose_unfinished(index);
        let Some(link) = self.links.at(index) else { return };
        if let Some(sender) = link.sender() {
            sender.end();
        }
        link.reason = Some(Box::new(reason));
        self.give_up_place(index);
        let Some(link) = self.links.at(index) else { return };
        // The name is free, unless the answer to the attach is still to come.
        if closed && link.halves.remote() != LinkHalf::Unattached {
            let (role, name, key) = (link.end.role(), link.name.clone(), link.key);
            self.names.remove(role, &name, key);
        }
    }

    /// Closes a link that this end has detached and the peer has closed, by attaching it again [2.6.6].
    fn close_crossed(&mut self, key: Key<LinkIx>, ours: Option<Box<Reason>>, error: Option<AmqpError>) {
        self.reattach_close(key, None);
        let reason = match (ours, error) {
            (Some(ours), None) => *ours,
            (_, error) => Reason::remote(error),
        };
        self.tell_detached(key.index, true, reason);
    }

    /// Closes a suspended link, by an attach and a closing detach.
    fn close_suspended(&mut self, index: LinkIx, error: Option<AmqpError>) {
        let Some(link) = self.links.at(index) else { return };
        let key = link.key;
        self.forget_suspended(key);
        self.reattach_close(key, error.as_ref());
        self.tell_detached(index, true, Reason::local(error));
    }

    /// Attaches a link again only to close it. The peer must answer both [2.6.6].
    fn reattach_close(&mut self, key: Key<LinkIx>, error: Option<&AmqpError>) {
        let is_sent = self.send_closing(key, error).is_ok();
        if let Some(link) = self.links.get_mut(key) {
            link.halves.close();
            if is_sent {
                link.halves.await_answer();
            }
        }
    }

    /// Reports a link that is detached at both ends, or whose peer this end ignores.
    fn tell_detached(&mut self, index: LinkIx, closed: bool, reason: Reason) {
        if let Some(hooks) = self.resumption
            && !closed
            && (hooks.next_round)(self, index, &reason)
        {
            return;
        }
        let suspended = self.resumption.and_then(|hooks| (hooks.suspend)(self, index, closed));
        if closed {
            self.tell_end(index, true, reason, suspended);
            return;
        }
        self.lose_unfinished(index);
        if self.links.at(index).is_some_and(|link| link.has_failed) {
            // No outcome of its deliveries can arrive any more (L-ERR-02).
            self.lose_deliveries(index);
        }
        let Some(key) = self.links.at(index).map(|link| link.key) else { return };
        self.tell_stopped(index, false, reason, suspended);
        self.remember_suspended(key);
    }

    /// Removes a link from the suspended ones.
    #[inline(never)] // for four callers
    pub(super) fn forget_suspended(&mut self, key: Key<LinkIx>) {
        self.suspended.retain(|suspended| *suspended != key);
    }

    /// Adds a suspended link. Forgets the oldest one if there are too many.
    pub(crate) fn remember_suspended(&mut self, key: Key<LinkIx>) {
        self.forget_suspended(key);
        self.suspended.push_back(key);
        if u32::try_from(self.suspended.len()).map_or(true, |n| n > self.limits.suspended_links())
            && let Some(oldest) = self.suspended.pop_front()
        {
            self.lose_deliveries(oldest.index);
            self.remove_link(oldest);
        }
    }

    /// Reports the end of a link, and ends its deliveries.
    fn tell_end(&mut self, index: LinkIx, closed: bool, reason: Reason, suspended: Option<Event>) {
        self.lose_unfinished(index);
        self.lose_deliveries(index);
        let Some(link) = self.links.at(index) else { return };
        link.reason = None;
        let (key, role, name) = (link.key, link.end.role(), link.name.clone());
        let is_owed = link.halves.remote() == LinkHalf::Unattached;
        if !is_owed {
            self.names.remove(role, &name, key);
        }
        self.tell_stopped(index, closed, reason, suspended);
    }

    /// Stops a link, and reports that it is detached.
    fn tell_stopped(&mut self, index: LinkIx, closed: bool, reason: Reason, suspended: Option<Event>) {
        let Some(link) = self.links.at(index) else { return };
        let held = link.stop();
        let (public, session) = (link.public_key(), link.session);
        self.release(session, held);
        self.give_up_place(index);
        if let Some(hooks) = self.transactions.hooks() {
            (hooks.end_control)(self, index, &reason);
        }
        self.fx.tell_any(suspended);
        self.fx.tell(Event::LinkDetached {
            link: public,
            closed,
            reason: Box::new(reason),
            unread: Vec::new(),
        });
    }

    /// Reports the unsettled deliveries of a link as lost.
    pub(super) fn lose_deliveries(&mut self, index: LinkIx) {
        self.finish_updates();
        let Some(link) = self.links.at(index) else { return };
        let public = link.public_key();
        let Some(session) = self.sessions.get_mut(link.session) else { return };
        let is_received = link.end.role() == Role::Receiver;
        let ledger = if is_received { session.received.as_mut() } else { Some(&mut session.sent) };
        let Some(ledger) = ledger else { return };
        while let Some(number) = link.chain.first() {
            let state = ledger.get(number).and_then(Record::remote);
            if !ledger.remove(number, &mut link.chain) {
                return;
            }
            let delivery = if is_received {
                DeliveryKey::received(session.key, number)
            } else {
                DeliveryKey::sent(session.key, number)
            };
            self.fx.tell(Event::Lost { link: public, delivery, state });
        }
        link.tags = Tags::default();
        if let Some(recovery) = link.recovery.get_mut() {
            recovery.clear();
            link.tags = Tags::counted(TreeSet::default());
        }
        let session = session.key.index;
        self.look_settled(session);
    }

    /// Ends an incomplete delivery, and reports it as lost if the application knows it.
    fn lose_unfinished(&mut self, index: LinkIx) {
        self.finish_updates();
        let Some(link) = self.links.at(index) else { return };
        let public = link.public_key();
        let (number, is_known) = match &mut link.end {
            LinkEnd::Sender(sender) => match &sender.sending {
                Some(sending) => (sending.number, true),
                None => return,
            },
            LinkEnd::Receiver(receiver) => {
                // The peer may complete it until it has detached.
                let may_go_on =
                    link.halves.local() == LinkHalf::Detached && link.halves.remote() == LinkHalf::Attached;
                let is_told = receiver.streaming;
                match receiver.partial().filter(|_| !may_go_on) {
                    Some(arrival) => (arrival.number, is_told),
                    None => return,
                }
            }
        };
        let is_received = link.end.role() == Role::Receiver;
        let Some(session) = self.sessions.get_mut(link.session) else { return };
        let key = session.key;
        let ledger = if is_received { session.received.as_mut() } else { Some(&mut session.sent) };
        let Some(ledger) = ledger else { return };
        let Some(state) = ledger.get(number).map(Record::remote) else { return };
        forget(link, ledger, number);
        if !is_known {
            return;
        }
        let delivery =
            if is_received { DeliveryKey::received(key, number) } else { DeliveryKey::sent(key, number) };
        self.fx.tell(Event::Lost { link: public, delivery, state });
    }

    /// Moves a suspended link away from its old session. Deliveries and room of the old session are given up.
    pub(super) fn leave_session(&mut self, index: LinkIx) {
        self.lose_deliveries(index);
        let Some(link) = self.links.at(index) else { return };
        let (session, unread) = (link.session, link.take_unread());
        self.leave(session, index, unread);
    }

    /// Removes a link from a session, and gives up the room of the messages that were not taken.
    fn leave(&mut self, session: Key<SessionIx>, index: LinkIx, unread: VecDeque<Arrival>) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.links.remove(&index);
        }
        unread.into_iter().for_each(|arrival| self.release(session, arrival.held));
    }

    /// Removes a link that has ended at both ends and whose end was polled.
    fn drop_link(&mut self, index: LinkIx) {
        let Some(link) = self.links.at(index) else { return };
        if link.is_polled && link.halves.is_answered() {
            let key = link.key;
            self.remove_link(key);
        }
    }

    fn remove_link(&mut self, key: Key<LinkIx>) {
        let Some(mut link) = self.links.remove(key) else { return };
        self.uncount_link(&link);
        self.names.remove(link.end.role(), &link.name, key);
        let unread = link.take_unread();
        self.leave(link.session, key.index, unread);
    }
}

fn detach_frame(handle: u32, closed: bool, error: Option<AmqpError>) -> Detach {
    Detach { closed, error, ..Detach::new(Handle::new(handle)) }
}
