//! The attach of links [2.6.3].

use alloc::boxed::Box;
use bytes::BytesMut;

use super::receiver::Receiver;
use super::sender::Sender;
use super::{Link, LinkEnd, LinkHalf};
use crate::codec::EncodeError;
use crate::config::{ReceiverOptions, SenderOptions};
use crate::machine::command_error::LinkError;
use crate::machine::delivery::Tags;
use crate::machine::endpoints::{Ahead, Endpoints};
use crate::machine::event::Event;
use crate::machine::fault::{ConnectionFault, Fault, LinkFault, SessionFault};
use crate::machine::halves::Half;
use crate::machine::recovery::{LinkState, Recovery, RoundOptions};
use crate::types::{DeliveryTag, Handle, Key, Limits, LinkIx, Map, SessionIx, Str, Value};
use crate::wire::{AmqpError, Attach, Role, Source, Target, Terminus};

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

/// The application's options for its end of a link.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EndOptions<'a> {
    Sender(&'a SenderOptions),
    Receiver(&'a ReceiverOptions),
}

impl EndOptions<'_> {
    fn role(self) -> Role {
        match self {
            Self::Sender(_) => Role::Sender,
            Self::Receiver(_) => Role::Receiver,
        }
    }

    /// Returns `true` if the application asks for the link to be resumable.
    fn is_resumable(self) -> bool {
        match self {
            Self::Sender(options) => options.resumable,
            Self::Receiver(options) => options.resumable,
        }
    }

    /// Returns the recovery of a resumable link, or of one that is resumed with its state.
    fn recovery(self, state: Option<LinkState>, attaches: bool) -> Option<Box<Recovery>> {
        let mut recovery = match state {
            Some(state) => {
                let mut recovery = Recovery::resuming(state);
                recovery.rounds.options = Some(RoundOptions::of(self));
                recovery.rounds.attaches = attaches;
                recovery
            }
            None if self.is_resumable() => Recovery::default(),
            None => return None,
        };
        recovery.sends_anew = match self {
            Self::Sender(options) => !options.reports_unknown,
            Self::Receiver(_) => false,
        };
        Some(Box::new(recovery))
    }

    /// Returns `true` if this end has a terminus: from the options, or from the peer's attach. An attach
    /// without a terminus would be a refusal [2.6.3].
    fn has_terminus(self, asked: &Attach) -> bool {
        match self {
            Self::Sender(options) => options.source.is_some() || asked.source.is_some(),
            Self::Receiver(options) => options.target.is_some() || asked.target.is_some(),
        }
    }

    /// Returns the termini in the options.
    fn termini(&self) -> (Option<&Source>, Option<&Terminus>) {
        match self {
            Self::Sender(options) => (options.source.as_deref(), options.target.as_deref()),
            Self::Receiver(options) => (options.source.as_deref(), options.target.as_deref()),
        }
    }

    fn end(self, endpoints: &Endpoints) -> LinkEnd {
        match self {
            Self::Sender(options) => {
                let mut sender = Sender::new(options);
                sender.drains_late = !sender.manual_drain && endpoints.credit.pause > 0;
                LinkEnd::Sender(sender)
            }
            Self::Receiver(options) => {
                LinkEnd::Receiver(Receiver::new(options, &endpoints.limits, endpoints.credit.is_lenient))
            }
        }
    }

    /// Returns the address of the peer's node.
    #[cfg(feature = "tracing")]
    fn address(&self) -> Option<&Str> {
        match self {
            Self::Sender(options) => options.target.as_deref().and_then(Terminus::address),
            Self::Receiver(options) => options.source.as_deref()?.address.as_ref(),
        }
    }

    /// Returns the attach to send; `asked` is the peer's attach, if this one answers it, and fills in what
    /// the options leave open [2.6.3] [2.7.3].
    fn attach(self, link: &Link, asked: Option<Attach>) -> Attach {
        let mut attach = Attach::new(link.name.clone(), Handle::new(link.handle), self.role());
        if let Some(asked) = asked {
            attach.snd_settle_mode = asked.snd_settle_mode;
            attach.rcv_settle_mode = asked.rcv_settle_mode;
            attach.source = asked.source;
            attach.target = asked.target;
        } else {
            attach.source = Some(Box::default());
            attach.target = Some(Box::new(Target::default().into()));
        }
        macro_rules! take_over {
            ($options:ident) => {
                if $options.source.is_some() {
                    attach.source = $options.source.clone();
                }
                if $options.target.is_some() {
                    attach.target = $options.target.clone();
                }
                attach.snd_settle_mode = $options.snd_settle_mode.unwrap_or(attach.snd_settle_mode);
                attach.rcv_settle_mode = $options.rcv_settle_mode.unwrap_or(attach.rcv_settle_mode);
                attach.offered_capabilities = $options.offered_capabilities.clone();
                attach.desired_capabilities = $options.desired_capabilities.clone();
                attach.properties = $options.properties.clone();
            };
        }
        match self {
            Self::Sender(options) => {
                take_over!(options);
                if options.lacks_target {
                    attach.target = None;
                }
                attach.max_message_size = options.max_message_size.filter(|size| *size != 0);
            }
            Self::Receiver(options) => {
                take_over!(options);
                if options.lacks_source {
                    attach.source = None;
                }
            }
        }
        // After an error, a link is resumed of which this end keeps nothing (L-ERR-03).
        attach.unsettled = link.has_failed.then(Map::new);
        match &link.end {
            LinkEnd::Sender(sender) => attach.initial_delivery_count = Some(sender.count()),
            LinkEnd::Receiver(receiver) => attach.max_message_size = receiver.max_message_size,
        }
        attach
    }
}

impl Link {
    /// Applies the peer's attach.
    fn on_attach(&mut self, attach: &Attach, session: Key<SessionIx>) {
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

    /// Applies this end's attach.
    fn attached(&mut self, attach: &Attach, session: Key<SessionIx>) {
        self.session = session;
        self.halves.attach_sent();
        self.is_polled = false;
        self.is_refused = false;
        self.has_failed = false;
        self.desired = attach.desired_capabilities.to_vec().into_boxed_slice();
        if let Some(recovery) = &mut self.recovery {
            recovery.attached(attach);
        }
        match &mut self.end {
            LinkEnd::Sender(sender) => {
                self.snd_settle_mode = attach.snd_settle_mode;
                let outcome = attach.source.as_deref().and_then(|source| source.default_outcome.clone());
                sender.default_outcome = outcome.map(Box::new);
            }
            LinkEnd::Receiver(_) => self.rcv_settle_mode = attach.rcv_settle_mode,
        }
    }
}

impl Endpoints {
    /// Attaches a link to a session: a new link, or a suspended one of this name and role [2.6.4].
    pub(crate) fn attach(
        &mut self,
        session: SessionIx,
        name: &Str,
        options: EndOptions<'_>,
        state: Option<LinkState>,
    ) -> Result<Key<LinkIx>, LinkError> {
        let role = options.role();
        if let Some(state) = &state {
            self.check_state(state, name, options, None)?;
        }
        let key = match self.names.get(role, name) {
            Some(key) if self.links.get(key).is_some_and(Link::is_suspended) => {
                self.reattach(session, key, options, state)?;
                key
            }
            Some(_) => return Err(LinkError::NameInUse),
            None => self.attach_new(session, name, options, state)?,
        };
        #[cfg(feature = "tracing")]
        if let Some(link) = self.links.get(key) {
            self.spans.attach(link, options.address());
        }
        Ok(key)
    }

    fn attach_new(
        &mut self,
        session: SessionIx,
        name: &Str,
        options: EndOptions<'_>,
        state: Option<LinkState>,
    ) -> Result<Key<LinkIx>, LinkError> {
        if self.has_all_links() {
            return Err(LinkError::Limit);
        }
        let session = self.begun_session(session)?;
        let end = options.end(self);
        let role = options.role();
        let name = name.clone();
        let key = self.links.insert(|key| Link::new(key, session, name.clone(), end));
        let key = key.ok_or(LinkError::Limit)?;
        self.prepare(key, options, state);
        if let Err(error) = self.send_attach(key, session, options, None) {
            self.links.remove(key);
            return Err(error);
        }
        self.names.insert(role, name, key);
        Ok(key)
    }

    pub(crate) fn reattach(
        &mut self,
        session: SessionIx,
        key: Key<LinkIx>,
        options: EndOptions<'_>,
        state: Option<LinkState>,
    ) -> Result<(), LinkError> {
        let session = self.begun_session(session)?;
        let fresh = options.end(self);
        let Some(link) = self.links.get_mut(key) else { return Err(LinkError::NoSession) };
        let old = link.session;
        let kept = core::mem::replace(&mut link.end, fresh);
        let is_resumed = state.is_some();
        let before = self.prepare(key, options, state);
        let sent = self.send_attach(key, session, options, None);
        let Some(link) = self.links.get_mut(key) else { return Err(LinkError::NoSession) };
        if let Err(error) = sent {
            link.end = kept;
            if let Some(before) = before {
                (link.recovery, link.tags) = before;
            }
            return Err(error);
        }
        link.halves.await_answer();
        link.attach = Box::default();
        if is_resumed {
            // The application has the deliveries in the state.
            let fresh = core::mem::replace(&mut link.end, kept);
            let (recovery, tags) = (link.recovery.take(), core::mem::take(&mut link.tags));
            link.session = old;
            self.forget_all_quietly(key.index);
            self.leave_session(key.index);
            if let Some(link) = self.links.get_mut(key) {
                link.end = fresh;
                (link.recovery, link.tags) = (recovery, tags);
                link.session = session;
            }
            if let Some(session) = self.sessions.get_mut(session) {
                session.links.insert(key.index);
            }
        } else if old == session {
            link.end.adopt(kept);
        } else {
            let fresh = core::mem::replace(&mut link.end, kept);
            link.session = old;
            self.leave_session(key.index);
            if let Some(link) = self.links.get_mut(key) {
                link.end = fresh;
                link.session = session;
            }
        }
        self.suspended.retain(|suspended| *suspended != key);
        Ok(())
    }

    /// Accepts a link that the peer has attached.
    pub(crate) fn accept_link(
        &mut self,
        index: LinkIx,
        options: EndOptions<'_>,
        state: Option<LinkState>,
    ) -> Result<(), LinkError> {
        let (key, asked) = self.offered(index)?;
        if let Some(state) = &state {
            self.check_state(state, &asked.name, options, Some(&asked))?;
        }
        let session = self.links.get(key).map(|link| link.session).ok_or(LinkError::NotOffered)?;
        let session = self.begun_session(session.index)?;
        if !options.has_terminus(&asked) {
            return Err(LinkError::NoTerminus);
        }
        let fresh = options.end(self);
        let Some(link) = self.links.get_mut(key) else { return Err(LinkError::NotOffered) };
        let kept = core::mem::replace(&mut link.end, fresh);
        let next_tag = state.as_ref().map(|state| state.next_tag);
        let before = self.prepare(key, options, state);
        let sent = self.send_attach(key, session, options, Some(asked.clone()));
        let Some(link) = self.links.get_mut(key) else { return Err(LinkError::NotOffered) };
        if let Err(error) = sent {
            link.end = kept;
            if let Some(before) = before {
                (link.recovery, link.tags) = before;
            }
            return Err(error);
        }
        link.on_attach(&asked, session);
        link.end.adopt(kept);
        if let (Some(sender), Some(next_tag)) = (link.sender(), next_tag) {
            sender.set_next_tag(next_tag);
        }
        let owes_flow = core::mem::take(&mut link.flow_due);
        if owes_flow {
            self.link_due(index);
        }
        self.look_drained(index);
        self.end_deliveries(index, asked.unsettled.as_ref());
        self.compare_maps(index, asked.unsettled.as_ref(), asked.incomplete_unsettled);
        self.complete(index);
        Ok(())
    }

    /// Makes a link resumable, if it is to be, and sets its deliveries from an earlier attach. Returns what was
    /// there before, if that has changed.
    fn prepare(
        &mut self,
        key: Key<LinkIx>,
        options: EndOptions<'_>,
        state: Option<LinkState>,
    ) -> Option<(Option<Box<Recovery>>, Tags)> {
        let next_tag = state.as_ref().map(|state| state.next_tag);
        let is_resumed = state.is_some();
        let attaches = self.links.get(key).is_some_and(|link| link.halves.remote() != LinkHalf::Attached);
        let recovery = options.recovery(state, attaches);
        let live = self.unsettled(key.index).filter(|_| !is_resumed);
        let live = live.filter_map(|key| self.record(key)).map(|record| DeliveryTag::from(&record.tag));
        let waiting = recovery.iter().flat_map(|recovery| recovery.unresumed()).map(|delivery| delivery.tag);
        let tags = live.chain(waiting).collect();
        let link = self.links.get_mut(key)?;
        if let Some(recovery) = link.recovery.as_mut().filter(|recovery| recovery.rounds.is_open) {
            // The next round goes on with the deliveries that are there.
            recovery.awaits_map = true;
            link.tags = Tags::counted(recovery.unresumed().map(|delivery| delivery.tag).collect());
            return None;
        }
        if let (Some(sender), Some(next_tag)) = (link.sender(), next_tag) {
            sender.set_next_tag(next_tag);
        }
        if recovery.is_none() && link.recovery.is_none() {
            return None;
        }
        let before = core::mem::replace(&mut link.tags, Tags::counted(tags));
        Some((core::mem::replace(&mut link.recovery, recovery), before))
    }

    /// Checks whether a state is that of the link with this name and role.
    fn check_state(
        &self,
        state: &LinkState,
        name: &Str,
        options: EndOptions<'_>,
        asked: Option<&Attach>,
    ) -> Result<(), LinkError> {
        let asked = asked.map(|asked| (asked.source.as_deref(), asked.target.as_deref())).unwrap_or_default();
        let (source, target) = options.termini();
        let (source, target) = (source.or(asked.0), target.or(asked.1));
        if state.is_coordinated() || matches!(target, Some(Terminus::Coordinator(_))) {
            return Err(LinkError::Coordinator);
        }
        if state.name != *name || state.role != options.role() || !state.leads(source, target) {
            return Err(LinkError::OtherLink);
        }
        let is_large = u32::try_from(state.deliveries.len()).map_or(true, |n| n > self.limits.unsettled());
        if is_large || state.octets() > self.limits.kept_octets() {
            return Err(LinkError::Limit);
        }
        Ok(())
    }

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
        let refused = self.send_refusal(key, &AmqpError::from(LinkFault::Elsewhere));
        if let Some(link) = self.links.get_mut(key) {
            link.halves.close_local();
            link.is_polled = true;
        }
        refused.map_err(|_| SessionFault::Link(LinkFault::Elsewhere).into())
    }

    fn has_all_links(&self) -> bool {
        u32::try_from(self.links.len()).map_or(true, |links| links >= self.limits.links())
    }

    pub(super) fn begun_session(&mut self, index: SessionIx) -> Result<Key<SessionIx>, LinkError> {
        match self.sessions.at(index) {
            Some(session) if self.is_open && session.takes_links() => Ok(session.key),
            _ => Err(LinkError::NoSession),
        }
    }

    /// Returns the peer's attach, if the peer has attached the link and this end has not.
    pub(super) fn offered(&mut self, index: LinkIx) -> Result<(Key<LinkIx>, Attach), LinkError> {
        match self.links.at(index) {
            Some(link) if link.halves.is_offered() => {
                let attach = decode(&link.attach, &self.limits).ok_or(LinkError::NotOffered)?;
                Ok((link.key, attach))
            }
            _ => Err(LinkError::NotOffered),
        }
    }

    /// Ends a link whose name is attached again: the second attach counts [2.6.1]. Returns `false` if the
    /// session of the second had to be ended, too.
    fn steal(&mut self, key: Key<LinkIx>, session: Key<SessionIx>) -> bool {
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
        let role = opposite(attach.role);
        let end = match role {
            Role::Sender => LinkEnd::Sender(Sender::offered()),
            Role::Receiver => LinkEnd::Receiver(Receiver::offered(&self.limits, self.credit.is_lenient)),
        };
        // A copy of the name, so that the frame's buffer is not kept.
        let name = Str::from(attach.name.as_str());
        let key = self.links.insert(|key| Link::new(key, session, name.clone(), end));
        let key = key.ok_or(SessionFault::Links(limit))?;
        if is_named {
            self.names.insert(role, name, key);
        }
        Ok(key)
    }

    /// Handles the peer's attach of a suspended link, on its old session or another.
    fn offer_again(&mut self, key: Key<LinkIx>, is_here: bool) {
        self.suspended.retain(|suspended| *suspended != key);
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
        fits
    }

    /// Reports a link that the peer has attached, new or suspended before.
    fn tell_offer(&mut self, key: Key<LinkIx>) {
        let Some(link) = self.links.get_mut(key) else { return };
        let event = Event::LinkOffered(link.public_key());
        if !self.accept_round(key.index) {
            self.fx.tell(event);
        }
    }

    /// Handles the peer's answer to an attach.
    fn answered(&mut self, key: Key<LinkIx>, attach: &Attach) {
        let Some(link) = self.links.get_mut(key) else { return };
        link.is_refused = !has_terminus(attach);
        if !link.is_refused {
            let is_round = link.recovery.as_ref().is_some_and(|recovery| recovery.rounds.is_open);
            let event = (!is_round).then_some(Event::LinkAttached(link.public_key()));
            if let Some(receiver) = link.receiver() {
                receiver.is_unseen = true;
            }
            self.fx.events.extend(event);
            self.end_deliveries(key.index, attach.unsettled.as_ref());
            self.compare_maps(key.index, attach.unsettled.as_ref(), attach.incomplete_unsettled);
            self.complete(key.index);
        }
    }

    /// Completes a link that is attached at both ends.
    fn complete(&mut self, index: LinkIx) {
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

    /// Sends an attach and maps this end's handle. Nothing changes on error.
    fn send_attach(
        &mut self,
        key: Key<LinkIx>,
        session_key: Key<SessionIx>,
        options: EndOptions<'_>,
        asked: Option<Attach>,
    ) -> Result<(), LinkError> {
        let Some(link) = self.links.get_mut(key) else { return Err(LinkError::NoSession) };
        let Some(session) = self.sessions.get_mut(session_key) else { return Err(LinkError::NoSession) };
        let handle = session.own_handles.take(session.handle_max).ok_or(LinkError::Handles)?;
        link.handle = handle;
        let mut attach = options.attach(link, asked);
        if let Some(recovery) = link.recovery.as_mut().filter(|recovery| recovery.awaits_map) {
            // The peer may keep no larger attach than this end does.
            let most = self.fx.max_frame_size.min(self.limits.attach_octets());
            let room = crate::codec::to_usize(most).saturating_sub(attach.encoded_len() + MAP_HEAD);
            attach.unsettled = Some(recovery.map(link.end.role(), room));
            attach.incomplete_unsettled = recovery.rounds.is_ours_incomplete;
        }
        if let Err(error) = self.fx.send(session.channel, &attach) {
            session.own_handles.give_back(handle);
            return Err(too_large(error));
        }
        session.links.insert(key.index);
        link.attached(&attach, session_key);
        Ok(())
    }
}

/// The octets of a frame and of its lists and maps around the entries of an unsettled map.
const MAP_HEAD: usize = 32;

/// Decodes the peer's attach.
pub(crate) fn decode(attach: &[u8], limits: &Limits) -> Option<Attach> {
    Attach::decode(&mut bytes::Bytes::copy_from_slice(attach), limits).ok()
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

pub(super) fn too_large(error: EncodeError) -> LinkError {
    LinkError::TooLarge(error)
}
