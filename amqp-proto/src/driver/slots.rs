//! The slots of sessions and links, and their keys in the engine.

use alloc::boxed::Box;

use super::line::Line;
use super::outcomes::Awaited;
use super::recipe::{LinkOptions, LinkRecipe, SessionRecipe};
use super::state::{LinkState, SessionState, State};
use super::suspension::resume;
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::config::SessionOptions;
use crate::machine::{LinkError, LinkState as Saved};
use crate::types::{DeliveryKey, Key, LinkKey, ReceiverKey, SessionKey, Str};
use crate::view::{ReceiverMut, SenderMut, SessionMut};
use crate::wire;

/// Evaluates an expression with the view of a link in either role.
macro_rules! either_end {
    ($engine:expr, $key:expr, $link:pat => $work:expr) => {
        match $key {
            LinkKey::Sender(key) => $engine.sender(key).ok().map(|$link| $work),
            LinkKey::Receiver(key) => $engine.receiver(key).ok().map(|$link| $work),
        }
    };
}

pub(super) use either_end;

impl<W: Wake> State<W> {
    /// Returns the slot of a session.
    pub(super) fn session_slot(&self, key: SessionKey) -> Option<Key> {
        let slot = self.session_slots.get(key.0)?;
        self.sessions.get(slot).is_some_and(|session| session.key == Some(key)).then_some(slot)
    }

    /// Returns the slot of a link.
    pub(super) fn link_slot(&self, key: LinkKey) -> Option<Key> {
        let slot = self.link_slots.get(key.key())?;
        self.links.get(slot).is_some_and(|link| link.key == Some(key)).then_some(slot)
    }

    pub(super) fn link_mut(&mut self, key: LinkKey) -> Option<&mut LinkState<W>> {
        let slot = self.link_slot(key)?;
        self.links.get_mut(slot)
    }

    /// Makes a slot for a session.
    pub(crate) fn hold_session(&mut self, key: SessionKey) -> Option<Key> {
        let slot = self.keep_session(Some(key), None)?;
        self.session_slots.set(key.0, slot);
        Some(slot)
    }

    fn keep_session(&mut self, key: Option<SessionKey>, recipe: Option<Box<SessionRecipe>>) -> Option<Key> {
        self.sessions.insert(|_| SessionState {
            key,
            line: Line::default(),
            guards: 0,
            is_begun: false,
            ended: None,
            offered: Default::default(),
            number: None,
            recipe,
            is_leaving: false,
        })
    }

    /// Makes a slot for a link. If a link with this key has a slot, it has ended, and keeps that slot without
    /// the key.
    pub(crate) fn hold_link(&mut self, key: LinkKey, session: Key) -> Option<Key> {
        // Outcomes of its deliveries may still arrive.
        let awaited = self.link_mut(key).map(|old| {
            old.key = None;
            core::mem::take(&mut old.awaited)
        });
        let is_streaming = match key {
            LinkKey::Receiver(key) => self.engine.receiver(key).is_ok_and(|link| link.is_streaming()),
            LinkKey::Sender(_) => false,
        };
        let slot = self.keep_link(Some(key), session, is_streaming, awaited.unwrap_or_default())?;
        self.link_slots.set(key.key(), slot);
        Some(slot)
    }

    fn keep_link(
        &mut self,
        key: Option<LinkKey>,
        session: Key,
        is_streaming: bool,
        awaited: Awaited,
    ) -> Option<Key> {
        self.links.insert(|_| LinkState {
            key,
            session,
            line: Line::default(),
            turns: Line::default(),
            is_attached: false,
            ended: None,
            is_drained: false,
            is_stopped: true,
            has_flow_properties: false,
            rest: Default::default(),
            is_streaming,
            begun: Default::default(),
            awaited,
            outcomes: None,
            recipe: None,
            replay: None,
            resumption: None,
            reports: None,
            is_leaving: false,
        })
    }

    /// Returns the slot of a link's session.
    pub(super) fn session_of(&mut self, key: LinkKey) -> Option<Key> {
        let session = either_end!(self.engine, key, link => link.session())??;
        self.session_slot(session)
    }

    /// Begins a session, without waiting for the peer's answer.
    pub(crate) fn begin(&mut self, options: SessionOptions) -> Result<Key> {
        if let Some(over) = self.over() {
            return Err(over);
        }
        let recipe = self.recovery.is_some().then(|| Box::new(SessionRecipe::new(options.clone())));
        if self.is_interrupted() {
            // It is begun once the connection is open again.
            return self.keep_session(None, recipe).ok_or(Error::Gone);
        }
        let key = self.engine.begin(options)?;
        let slot = self.hold_session(key).ok_or(Error::Gone)?;
        if let Some(session) = self.sessions.get_mut(slot) {
            session.recipe = recipe;
        }
        Ok(slot)
    }

    /// Returns the shared session, which is begun for the first link on it.
    pub(crate) fn shared_session(&mut self) -> Result<Key> {
        if let Some(slot) = self.default_session {
            return Ok(slot);
        }
        let slot = self.begin(SessionOptions::new())?;
        self.default_session = Some(slot);
        Ok(slot)
    }

    /// Returns the view of a session, unless it is over.
    pub(crate) fn session(&mut self, slot: Key) -> Result<SessionMut<'_>> {
        if let Some(over) = self.session_over(slot) {
            return Err(over);
        }
        match self.sessions.get(slot).and_then(|session| session.key) {
            Some(key) => Ok(self.engine.session(key)?),
            None => Err(self.session_interrupted(slot).cloned().map_or(Error::Gone, Error::Interrupted)),
        }
    }

    /// Returns the error of a link that is in no engine and not over.
    #[cold]
    fn no_key(&self, slot: Key) -> Error {
        self.link_interrupted(slot).cloned().map_or(Error::Gone, Error::Interrupted)
    }

    /// Attaches a link, without waiting for the peer's answer.
    pub(crate) fn attach(
        &mut self,
        session: Key,
        name: Option<Str>,
        options: LinkOptions,
        saved: Option<Saved>,
    ) -> Result<Key> {
        let saved_name = saved.as_ref().map(|saved| saved.name().clone());
        if name.is_some() && saved_name.is_some() && name != saved_name {
            return Err(LinkError::OtherLink.into());
        }
        let name = name.or(saved_name).unwrap_or_else(|| self.link_name());
        let outlives = self.sessions.get(session).is_some_and(|session| session.recipe.is_some());
        // The application goes on with what an earlier process had, or may take the state of a link that has ended.
        let has_news = options.is_resumable() && (saved.is_some() || !outlives);
        let recipe = outlives.then(|| LinkRecipe::new(name.clone(), options.clone()));
        let mut recipe = recipe.map(Box::new);
        let slot = match self.session(session) {
            Ok(mut session_mut) => {
                let key = match saved {
                    Some(saved) => resume(&mut session_mut, saved, options)?,
                    None => options.attach(&mut session_mut, name)?,
                };
                self.hold_link(key, session)
            }
            // It is attached once the connection is open again.
            Err(Error::Interrupted(_)) if outlives => {
                if let (Some(recipe), Some(saved)) = (&mut recipe, saved) {
                    recipe.resume_with(saved);
                }
                self.keep_link(None, session, options.is_streaming(), Awaited::default())
            }
            Err(over) => return Err(over),
        };
        let slot = slot.ok_or(Error::Gone)?;
        if let Some(link) = self.links.get_mut(slot) {
            link.recipe = recipe;
            link.resumption = has_news.then(Box::default);
        }
        Ok(slot)
    }

    /// Returns the error of a command on a delivery: the end of the link, or that of its connection, is better.
    #[cold]
    pub(super) fn better(&self, slot: Key, delivery: DeliveryKey, error: Error) -> Error {
        let stale = self.is_stale(slot, delivery).then_some(Error::Gone);
        self.link_over(slot).or(stale).unwrap_or(error)
    }

    /// Returns `true` if a delivery is of an earlier connection, or of a link before it was attached again.
    pub(super) fn is_stale(&self, slot: Key, delivery: DeliveryKey) -> bool {
        self.recovery.is_some() && !self.is_current(slot, delivery)
    }

    /// Returns `true` if a delivery is on the link in the current engine.
    fn is_current(&self, slot: Key, delivery: DeliveryKey) -> bool {
        let Some(link) = self.links.get(slot) else { return false };
        let session = self.sessions.get(link.session).and_then(|session| session.key);
        let suspension = link.recipe.as_ref().and_then(|recipe| recipe.suspension.as_ref());
        if suspension.is_some_and(|suspension| suspension.knows(delivery)) {
            return true;
        }
        let is_latest = link
            .recipe
            .as_ref()
            .is_none_or(|recipe| link.key.is_some() && delivery.number() >= recipe.outage.first);
        is_latest && session.is_some_and(|key| key.0 == delivery.session)
    }

    /// Returns the view of a sending link, unless it is over.
    #[inline]
    pub(crate) fn sender(&mut self, slot: Key) -> Result<SenderMut<'_>> {
        match self.key_of(slot)? {
            LinkKey::Sender(key) => Ok(self.engine.sender(key).map_err(|_| LinkError::Detached)?),
            LinkKey::Receiver(_) => Err(Error::Gone),
        }
    }

    /// Returns the view of a receiving link, unless it is over.
    #[inline]
    pub(crate) fn receiver(&mut self, slot: Key) -> Result<ReceiverMut<'_>> {
        match self.key_of(slot)? {
            LinkKey::Receiver(key) => Ok(self.engine.receiver(key).map_err(|_| LinkError::Detached)?),
            LinkKey::Sender(_) => Err(Error::Gone),
        }
    }

    #[inline]
    fn key_of(&self, slot: Key) -> Result<LinkKey> {
        let link = self.links.get(slot).ok_or(Error::Gone)?;
        match link.key {
            Some(key) if link.ended.is_none() && self.ended.is_none() => Ok(key),
            _ => Err(self.link_over(slot).unwrap_or_else(|| self.no_key(slot))),
        }
    }

    /// Returns the key of a receiving link, even after its end.
    pub(crate) fn receiver_key(&self, slot: Key) -> Option<ReceiverKey> {
        match self.links.get(slot)?.key? {
            LinkKey::Receiver(key) => Some(key),
            LinkKey::Sender(_) => None,
        }
    }

    /// Closes a link of the engine.
    pub(super) fn close_engine_link(
        &mut self,
        key: LinkKey,
        error: Option<wire::AmqpError>,
    ) -> Result<(), LinkError> {
        let closed = either_end!(self.engine, key, mut link => match error {
            Some(error) => link.close_with(error),
            None => link.close(),
        });
        closed.unwrap_or(Err(LinkError::Detached))
    }
}
