//! The attach of links by this end [2.6.3].

use alloc::boxed::Box;

use super::end_options::EndOptions;
use super::{Link, LinkEnd};
use crate::codec::EncodeError;
use crate::machine::command_error::LinkError;
use crate::machine::delivery::Tags;
use crate::machine::endpoints::Endpoints;
use crate::machine::recovery::{LinkState, RecoverySlot, hooks_in};
use crate::types::{Key, Limits, LinkIx, SessionIx, Str};
use crate::wire::Attach;

impl Link {
    /// Applies this end's attach.
    fn attached(&mut self, attach: &Attach, session: Key<SessionIx>) {
        self.session = session;
        self.halves.attach_sent();
        self.is_polled = false;
        self.is_refused = false;
        self.has_failed = false;
        self.desired = attach.desired_capabilities.to_vec().into_boxed_slice();
        if let Some(recovery) = self.recovery.get_mut() {
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
        if let (Some(state), Some(hooks)) = (&state, hooks_in(options)) {
            (hooks.check_state)(self, state, name, options, None)?;
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
        let key = self.add_link(session, &name, end).ok_or(LinkError::Limit)?;
        self.prepare(key, options, state);
        if let Err(error) = self.send_attach(key, session, options, None) {
            self.links.remove(key);
            return Err(error);
        }
        self.count_link(key);
        self.names.insert(role, name, key);
        Ok(key)
    }

    /// Adds a link, without its name; `None` if there are too many.
    #[inline(never)] // for links of both ends
    pub(super) fn add_link(
        &mut self,
        session: Key<SessionIx>,
        name: &Str,
        end: LinkEnd,
    ) -> Option<Key<LinkIx>> {
        self.links.insert(|key| Link::new(key, session, name.clone(), end))
    }

    pub(crate) fn reattach(
        &mut self,
        session: SessionIx,
        key: Key<LinkIx>,
        options: EndOptions<'_>,
        state: Option<LinkState>,
    ) -> Result<(), LinkError> {
        let session = self.begun_session(session)?;
        let Some(former) = self.links.get(key).map(|link| link.session) else {
            return Err(LinkError::NoSession);
        };
        let is_resumed = state.is_some();
        let kept = self.attach_anew(key, session, options, state, None)?;
        let Some(link) = self.links.get_mut(key) else { return Err(LinkError::NoSession) };
        link.halves.await_answer();
        link.attach = Box::default();
        if former == session && !is_resumed {
            link.end.adopt(kept);
        } else {
            self.leave_former(key, former, kept, is_resumed);
        }
        self.forget_suspended(key);
        Ok(())
    }

    /// Attaches a link with a new end. Returns the end that it had. Nothing changes on error.
    fn attach_anew(
        &mut self,
        key: Key<LinkIx>,
        session: Key<SessionIx>,
        options: EndOptions<'_>,
        state: Option<LinkState>,
        asked: Option<Attach>,
    ) -> Result<LinkEnd, LinkError> {
        let fresh = options.end(self);
        let Some(link) = self.links.get_mut(key) else { return Err(LinkError::NoSession) };
        let kept = core::mem::replace(&mut link.end, fresh);
        let before = self.prepare(key, options, state);
        let sent = self.send_attach(key, session, options, asked);
        let Some(link) = self.links.get_mut(key) else { return Err(LinkError::NoSession) };
        if let Err(error) = sent {
            link.end = kept;
            if let Some(before) = before {
                (link.recovery, link.tags) = before;
            }
            return Err(error);
        }
        Ok(kept)
    }

    /// Makes a link resumable, if it is to be, and sets its deliveries from an earlier attach. Returns what was there
    /// before, if that has changed.
    fn prepare(
        &mut self,
        key: Key<LinkIx>,
        options: EndOptions<'_>,
        state: Option<LinkState>,
    ) -> Option<(RecoverySlot, Tags)> {
        let hooks = hooks_in(options).or(self.resumption)?;
        self.resumption = Some(hooks);
        (hooks.prepare)(self, key, options, state)
    }

    /// Ends the deliveries that a link's former end had on its former session: those in a state are the
    /// application's.
    fn leave_former(&mut self, key: Key<LinkIx>, former: Key<SessionIx>, kept: LinkEnd, is_resumed: bool) {
        let Some(link) = self.links.get_mut(key) else { return };
        let session = core::mem::replace(&mut link.session, former);
        let fresh = core::mem::replace(&mut link.end, kept);
        let resumed =
            is_resumed.then(|| (core::mem::take(&mut link.recovery), core::mem::take(&mut link.tags)));
        if let Some(hooks) = self.resumption.filter(|_| is_resumed) {
            (hooks.forget_all_quietly)(self, key.index);
        }
        self.leave_session(key.index);
        let Some(link) = self.links.get_mut(key) else { return };
        (link.session, link.end) = (session, fresh);
        if let Some(resumed) = resumed {
            (link.recovery, link.tags) = resumed;
        }
        if let Some(session) = self.sessions.get_mut(session) {
            session.links.insert(key.index);
        }
    }

    /// Accepts a link that the peer has attached.
    pub(crate) fn accept_link(
        &mut self,
        index: LinkIx,
        options: EndOptions<'_>,
        state: Option<LinkState>,
    ) -> Result<(), LinkError> {
        let (key, asked) = self.offered(index)?;
        if let (Some(state), Some(hooks)) = (&state, hooks_in(options)) {
            (hooks.check_state)(self, state, &asked.name, options, Some(&asked))?;
        }
        let session = self.links.get(key).map(|link| link.session).ok_or(LinkError::NotOffered)?;
        let session = self.begun_session(session.index)?;
        if !options.has_terminus(&asked) {
            return Err(LinkError::NoTerminus);
        }
        let next_tag = state.as_ref().map(|state| state.next_tag);
        let kept = self.attach_anew(key, session, options, state, Some(asked.clone()))?;
        let Some(link) = self.links.get_mut(key) else { return Err(LinkError::NotOffered) };
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
        if let Some(hooks) = self.resumption {
            (hooks.compare_maps)(self, index, &asked);
        }
        self.complete(index);
        Ok(())
    }

    pub(super) fn has_all_links(&self) -> bool {
        u32::try_from(self.links.len()).map_or(true, |links| links >= self.limits.links())
    }

    pub(crate) fn begun_session(&mut self, index: SessionIx) -> Result<Key<SessionIx>, LinkError> {
        match self.sessions.at(index) {
            Some(session) if self.is_open && session.takes_links() => Ok(session.key),
            _ => Err(LinkError::NoSession),
        }
    }

    /// Returns the peer's attach, if the peer has attached the link and this end has not.
    pub(crate) fn offered(&mut self, index: LinkIx) -> Result<(Key<LinkIx>, Attach), LinkError> {
        match self.links.at(index) {
            Some(link) if link.halves.is_offered() => {
                let attach = decode(&link.attach, &self.limits).ok_or(LinkError::NotOffered)?;
                Ok((link.key, attach))
            }
            _ => Err(LinkError::NotOffered),
        }
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
        if let Some(recovery) = link.recovery.get_mut() {
            // The peer may keep no larger attach than this end does.
            let most = self.fx.max_frame_size.min(self.limits.attach_octets());
            let room = crate::codec::to_usize(most).saturating_sub(attach.encoded_len() + MAP_HEAD);
            if let Some((map, is_incomplete)) = recovery.unsettled_map(link.end.role(), room) {
                attach.unsettled = Some(map);
                attach.incomplete_unsettled = is_incomplete;
            }
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

pub(super) fn too_large(error: EncodeError) -> LinkError {
    LinkError::TooLarge(error)
}
