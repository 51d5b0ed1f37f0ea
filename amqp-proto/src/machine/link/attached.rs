//! The attach of links by the peer [2.6.3].

use bytes::BytesMut;

use super::receiver::Receiver;
use super::sender::Sender;
use super::{Link, LinkEnd, LinkHalf};
use crate::machine::endpoints::{Ahead, Endpoints};
use crate::machine::event::Event;
use crate::machine::fault::{ConnectionFault, Fault, LinkFault, SessionFault};
use crate::machine::halves::Half;
use crate::machine::recovery::Resumable;
use crate::types::{DeliveryTag, Key, LinkIx, Map, SessionIx, Str, Value};
use crate::wire::{AmqpError, Attach, Role, Terminus};

/// The meaning of a received attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The peer attaches a link.
    Offer,
    /// The peer answers an attach of this end.
    Answer,
    /// The peer answers an attach after this end has detached the link.
    TooLate,
    /// The peer attaches a link by a name that belongs to another session.
    Elsewhere,
}

impl Link {
    /// Applies the peer's attach.
    pub(super) fn on_attach(&mut self, attach: &Attach, session: Key<SessionIx>) {
        self.session = session;
        self.halves.attach_received();
        self.remote_handle = attach.handle.get();
        match &mut self.end {
            LinkEnd::Sender(sender) => {
                self.rcv_settle_mode = attach.rcv_settle_mode;
                sender.max_message_size = attach.max_message_size.filter(|size| *size != 0);
            }
            LinkEnd::Receiver(receiver) => {
                self.snd_settle_mode = attach.snd_settle_mode;
                receiver.credit.start(attach.initial_delivery_count.unwrap_or_default());
            }
        }
    }
}

impl Endpoints {
    /// Handles an attach, which offers a link or answers an attach of this end.
    pub(crate) fn on_attach(&mut self, index: SessionIx, attach: Attach) -> Result<(), Fault> {
        let handle = attach.handle.get();
        if handle > self.limits.handle_max() {
            return Err(ConnectionFault::HandleMax(handle).into());
        }
        let Some(session) = self.sessions.at(index).filter(|session| session.listens()) else {
            return Ok(());
        };
        if session.local == Half::Ended {
            // This end has ended the session.
            return Ok(());
        }
        if session.handles.get(handle).is_some() {
            return Err(SessionFault::HandleInUse(handle).into());
        }
        let session = session.key;
        let role = opposite(attach.role);
        let known = self.names.get(role, &attach.name).and_then(|key| self.links.get(key));
        let known =
            known.map(|link| (link.key, link.halves.local(), link.halves.remote(), link.session == session));
        let (key, meaning) = match known {
            Some((key, _, LinkHalf::Attached, _)) => {
                if !self.steal(key, session) {
                    return Ok(());
                }
                (self.offer(session, &attach, true)?, Meaning::Offer)
            }
            Some((key, LinkHalf::Detached, LinkHalf::Detached, is_here)) => {
                self.offer_again(key, is_here);
                (key, Meaning::Offer)
            }
            Some((key, LinkHalf::Attached, _, true)) => (key, Meaning::Answer),
            Some((key, LinkHalf::Detached | LinkHalf::Closed, LinkHalf::Unattached, true)) => {
                (key, Meaning::TooLate)
            }
            // An answer is due on one session, and this attach comes on another (L-NAME-02).
            Some((_, _, LinkHalf::Unattached, false)) => {
                (self.offer(session, &attach, false)?, Meaning::Elsewhere)
            }
            Some(_) | None => (self.offer(session, &attach, true)?, Meaning::Offer),
        };
        self.take_attach(key, session, &attach);
        if meaning == Meaning::Elsewhere {
            return self.refuse_elsewhere(key);
        }
        // In a refusal, only the detach that follows has meaning (L-ATT-06).
        let is_refusal = matches!(meaning, Meaning::Answer | Meaning::TooLate) && !has_terminus(&attach);
        if role == Role::Receiver && attach.initial_delivery_count.is_none() && !is_refusal {
            return Err(LinkFault::NoDeliveryCount.on(key.index));
        }
        if !attach.unsettled.iter().flat_map(Map::iter).all(|(tag, _)| is_tag(tag)) {
            return Err(LinkFault::NoTag.on(key.index));
        }
        if attach.unsettled.is_some() && matches!(attach.target.as_deref(), Some(Terminus::Coordinator(_))) {
            return Err(LinkFault::Coordinator.on(key.index));
        }
        if !self.keep_attach(key, &attach) {
            let limit = self.limits.attach_octets();
            return Err(LinkFault::AttachSize(limit).on(key.index));
        }
        match meaning {
            Meaning::Offer => self.tell_offer(key),
            Meaning::Answer => self.answered(key, &attach),
            Meaning::TooLate => {
                if let Some(link) = self.links.get_mut(key) {
                    link.is_refused = !has_terminus(&attach);
                }
            }
            Meaning::Elsewhere => {}
        }
        Ok(())
    }

    /// Refuses a link without reporting it to the application.
    #[cold]
    fn refuse_elsewhere(&mut self, key: Key<LinkIx>) -> Result<(), Fault> {
        let refused = self.send_closing(key, Some(&AmqpError::from(LinkFault::Elsewhere)));
        if let Some(link) = self.links.get_mut(key) {
            link.halves.close_local();
            link.is_polled = true;
        }
        refused.map_err(|_| SessionFault::Link(LinkFault::Elsewhere).into())
    }

    /// Ends a link whose name is attached again: the second attach counts [2.6.1]. Returns `false` if the
    /// session of the second had to be ended, too.
    fn steal(&mut self, key: Key<LinkIx>, session: Key<SessionIx>) -> bool {
        let suspended = self.resumption.and_then(|hooks| (hooks.suspend)(self, key.index, false));
        self.fx.tell_any(suspended);
        if self.fail_link(key.index, &LinkFault::Stolen) {
            return true;
        }
        let Some(first) = self.links.get(key).map(|link| link.session) else { return true };
        self.fail_session(first.index, &SessionFault::Link(LinkFault::Stolen));
        first != session
    }

    /// Adds a link that the peer attaches, findable by its name or only by its handle.
    fn offer(
        &mut self,
        session: Key<SessionIx>,
        attach: &Attach,
        is_named: bool,
    ) -> Result<Key<LinkIx>, Fault> {
        let limit = self.limits.links();
        if self.has_all_links() {
            return Err(SessionFault::Links(limit).into());
        }
        self.check_room()?;
        let role = opposite(attach.role);
        let end = match role {
            Role::Sender => LinkEnd::Sender(Sender::offered()),
            Role::Receiver => LinkEnd::Receiver(Receiver::offered(&self.limits, self.credit.is_lenient)),
        };
        // A copy of the name, so that the frame's buffer is not kept.
        let name = Str::from(attach.name.as_str());
        let key = self.add_link(session, &name, end).ok_or(SessionFault::Links(limit))?;
        if is_named {
            self.names.insert(role, name, key);
        }
        Ok(key)
    }

    /// Handles the peer's attach of a suspended link, on its old session or another.
    fn offer_again(&mut self, key: Key<LinkIx>, is_here: bool) {
        self.forget_suspended(key);
        if !is_here {
            self.leave_session(key.index);
        }
        if let Some(link) = self.links.get_mut(key) {
            link.halves.offer_again();
        }
    }

    /// Applies the peer's attach and maps its handle.
    fn take_attach(&mut self, key: Key<LinkIx>, session: Key<SessionIx>, attach: &Attach) {
        let Some(link) = self.links.get_mut(key) else { return };
        link.on_attach(attach, session);
        if let Some(session) = self.sessions.get_mut(session) {
            session.handles.insert(attach.handle.get(), key.index);
            session.links.insert(key.index);
        }
    }

    /// Stores the peer's attach. Returns `false` if it is too large.
    fn keep_attach(&mut self, key: Key<LinkIx>, attach: &Attach) -> bool {
        let mut octets = BytesMut::new();
        let fits = attach.encoded_len() <= crate::codec::to_usize(self.limits.attach_octets());
        if fits
            && attach.encode(&mut octets).is_ok()
            && let Some(link) = self.links.get_mut(key)
        {
            link.attach = octets.to_vec().into_boxed_slice();
        }
        self.count_link(key);
        fits
    }

    /// Reports a link that the peer has attached, new or suspended before.
    fn tell_offer(&mut self, key: Key<LinkIx>) {
        let Some(link) = self.links.get_mut(key) else { return };
        let event = Event::LinkOffered(link.public_key());
        if !self.resumption.is_some_and(|hooks| (hooks.accept_round)(self, key.index)) {
            self.fx.tell(event);
        }
    }

    /// Handles the peer's answer to an attach.
    fn answered(&mut self, key: Key<LinkIx>, attach: &Attach) {
        let Some(link) = self.links.get_mut(key) else { return };
        link.is_refused = !has_terminus(attach);
        if !link.is_refused {
            let is_round = link.recovery.get().is_some_and(Resumable::is_in_round);
            let event = (!is_round).then_some(Event::LinkAttached(link.public_key()));
            if let Some(receiver) = link.receiver() {
                receiver.is_unseen = true;
            }
            self.fx.tell_any(event);
            self.end_deliveries(key.index, attach.unsettled.as_ref());
            if let Some(hooks) = self.resumption {
                (hooks.compare_maps)(self, key.index, attach);
            }
            self.complete(key.index);
        }
    }

    /// Completes a link that is attached at both ends.
    pub(super) fn complete(&mut self, index: LinkIx) {
        let Some(link) = self.links.at(index) else { return };
        if let Some(receiver) = link.receiver() {
            // Credit that was granted before the sender's attach has been sent already.
            if receiver.credit.credit() == 0 && receiver.top_up() {
                self.write_ahead(Ahead::Flow(index));
                self.link_due(index);
            }
        }
        self.look_sendable(index);
    }
}

/// Returns `true` if a key of an unsettled map is a delivery-tag [2.7.3].
fn is_tag(key: &Value) -> bool {
    matches!(key, Value::Binary(octets) if DeliveryTag::new(octets).is_ok())
}

/// Returns `true` if the peer has a terminus for its end of the link [2.6.3].
fn has_terminus(attach: &Attach) -> bool {
    match attach.role {
        Role::Sender => attach.source.is_some(),
        Role::Receiver => attach.target.is_some(),
    }
}

fn opposite(role: Role) -> Role {
    match role {
        Role::Sender => Role::Receiver,
        Role::Receiver => Role::Sender,
    }
}
