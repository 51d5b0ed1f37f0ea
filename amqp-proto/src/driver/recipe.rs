//! [`LinkRecipe`] and [`SessionRecipe`]: what is attached and begun again.

use super::outage::Outage;
use super::state::State;
use super::suspension::resume;
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::config::{ReceiverOptions, SenderOptions, SessionOptions};
use crate::connection::Connection as Engine;
use crate::machine::{LinkError, LinkState as Saved, Suspension};
use crate::types::{Key, LinkKey, Str};
use crate::view::{ReceiverMut, SessionMut};

/// The options of a link in either role.
#[derive(Debug, Clone)]
pub(crate) enum LinkOptions {
    Sender(SenderOptions),
    Receiver(ReceiverOptions),
}

impl LinkOptions {
    /// Attaches a link on a session of the engine.
    pub(super) fn attach(self, session: &mut SessionMut<'_>, name: Str) -> Result<LinkKey, LinkError> {
        match self {
            Self::Sender(options) => session.attach_sender(name, options).map(LinkKey::Sender),
            Self::Receiver(options) => session.attach_receiver(name, options).map(LinkKey::Receiver),
        }
    }

    /// Returns `true` if the link is resumed when it is attached again.
    pub(super) fn is_resumable(&self) -> bool {
        match self {
            Self::Sender(options) => options.resumption.is_some(),
            Self::Receiver(options) => options.resumption.is_some(),
        }
    }

    /// Returns `true` if messages are read as they arrive.
    pub(super) fn is_streaming(&self) -> bool {
        matches!(self, Self::Receiver(ReceiverOptions { streaming: true, .. }))
    }
}

/// A link as the application has attached it, with the credit that it has granted since.
#[derive(Debug)]
pub(super) struct LinkRecipe {
    name: Str,
    options: LinkOptions,
    /// The number of messages that the application has asked for and has not taken, without prefetch.
    granted: u32,
    /// `true` while the application has stopped the sender.
    is_stopped: bool,
    /// The number of messages that wait for credit, as the application has last announced it.
    available: Option<u32>,
    pub(super) outage: Outage,
    /// The deliveries that go on, if the link is resumed.
    pub(super) suspension: Option<Box<Suspension>>,
}

/// A session as the application has begun it.
#[derive(Debug)]
pub(super) struct SessionRecipe {
    pub(super) options: SessionOptions,
    pub(super) outage: Outage,
}

impl SessionRecipe {
    pub(super) fn new(options: SessionOptions) -> Self {
        Self { options, outage: Outage::default() }
    }
}

/// A change of the credit by the application.
#[derive(Debug, Clone, Copy)]
pub(super) enum Grant {
    Set(u32),
    Add(u32),
    Stop,
    Drain,
}

impl Grant {
    fn apply(self, receiver: &mut ReceiverMut<'_>) -> Result<()> {
        Ok(match self {
            Self::Set(messages) => receiver.set_credit(messages),
            Self::Add(messages) => receiver.add_credit(messages),
            Self::Stop => receiver.stop(),
            Self::Drain => receiver.drain(),
        }?)
    }
}

impl LinkRecipe {
    pub(super) fn new(name: Str, options: LinkOptions) -> Self {
        let suspension = options.is_resumable().then(Box::default);
        let outage = Outage::default();
        Self { name, options, granted: 0, is_stopped: false, available: None, outage, suspension }
    }

    /// Sets the state that the link is attached with.
    pub(super) fn resume_with(&mut self, saved: Saved) {
        if let Some(suspension) = &mut self.suspension {
            suspension.keep(saved);
        }
    }

    pub(super) fn name(&self) -> &Str {
        &self.name
    }

    /// Returns the number of messages to announce once the link is attached again.
    pub(super) fn available(&self) -> Option<u32> {
        self.available
    }

    /// Attaches the link again.
    pub(super) fn attach(
        &self,
        session: &mut SessionMut<'_>,
        state: Option<Saved>,
    ) -> Result<LinkKey, LinkError> {
        match state {
            Some(state) => resume(session, state, self.options.clone()),
            None => self.options.clone().attach(session, self.name.clone()),
        }
    }

    /// Accepts the link with its state, if it has one, since the peer attaches it again. Returns `false` if the engine
    /// refuses that.
    pub(super) fn accept(&self, engine: &mut Engine, key: LinkKey, state: Option<Saved>) -> bool {
        let accepted = match (self.options.clone(), key, state) {
            (LinkOptions::Sender(options), LinkKey::Sender(key), state) => {
                engine.sender(key).map(|mut link| match state {
                    Some(state) => link.accept_resumed(options, state),
                    None => link.accept_link(options),
                })
            }
            (LinkOptions::Receiver(options), LinkKey::Receiver(key), state) => {
                engine.receiver(key).map(|mut link| match state {
                    Some(state) => link.accept_resumed(options, state),
                    None => link.accept_link(options),
                })
            }
            _ => return false,
        };
        matches!(accepted, Ok(Ok(())))
    }

    /// Records a change of the credit, which was `before`; `None` if the link is not attached.
    fn grant(&mut self, grant: Grant, before: Option<u32>) {
        // The rest are messages that have arrived and were not taken.
        let unread = self.granted.saturating_sub(before.unwrap_or(self.granted));
        self.granted = match grant {
            Grant::Set(messages) => unread.saturating_add(messages),
            Grant::Add(messages) => self.granted.saturating_add(messages),
            Grant::Stop | Grant::Drain => unread,
        };
        self.is_stopped = match grant {
            Grant::Set(messages) => messages == 0,
            Grant::Add(_) => false,
            Grant::Stop | Grant::Drain => true,
        };
    }

    /// Records that the application has taken a message.
    #[inline]
    pub(super) fn take(&mut self) {
        self.granted = self.granted.saturating_sub(1);
    }

    /// Returns the credit to grant once the link is attached again; `None` for that of the options.
    pub(super) fn credit(&self) -> Option<u32> {
        match &self.options {
            LinkOptions::Receiver(options) if options.prefetch == 0 => {
                // Each delivery that is resumed takes its part.
                let waiting = self.suspension.as_ref().map_or(0, |suspension| suspension.waiting());
                Some(self.granted.saturating_add(waiting))
            }
            LinkOptions::Receiver(_) if self.is_stopped => Some(0),
            _ => None,
        }
    }
}

impl<W: Wake> State<W> {
    /// Returns `true` if the link is at a node that the peer makes for it, so that the next peer makes another one.
    pub(super) fn is_dynamic(&self, slot: Key) -> bool {
        let recipe = self.links.get(slot).and_then(|link| link.recipe.as_ref());
        recipe.is_some_and(|recipe| match &recipe.options {
            LinkOptions::Sender(_) => false,
            LinkOptions::Receiver(options) => options.source.as_ref().is_some_and(|source| source.dynamic),
        })
    }

    /// Returns the name of a link that is attached again later.
    pub(super) fn recipe_name(&self, slot: Key) -> Option<Str> {
        let link = self.links.get(slot).filter(|link| link.ended.is_none() && link.key.is_none())?;
        Some(link.recipe.as_ref()?.name.clone())
    }

    /// Changes the credit of a link, also of one that is attached again later.
    pub(super) fn grant(&mut self, slot: Key, grant: Grant) -> Result<()> {
        let before = match self.receiver(slot) {
            Ok(mut receiver) => {
                let before = receiver.credit();
                match grant.apply(&mut receiver) {
                    Ok(()) => Some(before),
                    Err(_) if self.link_interrupted(slot).is_some() => None,
                    Err(error) => return Err(error),
                }
            }
            Err(Error::Interrupted(_)) => None,
            Err(over) => return Err(over),
        };
        let Some(link) = self.links.get_mut(slot) else { return Ok(()) };
        match grant {
            // Without a connection no message is on the way.
            Grant::Drain => link.is_drained = before.is_none(),
            // Another stop request, whose answer comes, may have left no credit.
            Grant::Stop => link.is_stopped &= before.is_none_or(|before| before == 0),
            // Credit takes a stop request back.
            Grant::Set(_) | Grant::Add(_) if !link.is_stopped => {
                link.is_stopped = true;
                link.line.wake_all(&mut self.wakes);
            }
            Grant::Set(_) | Grant::Add(_) => {}
        }
        if let Some(recipe) = &mut link.recipe {
            recipe.grant(grant, before);
        }
        Ok(())
    }

    /// Announces the number of messages that wait for credit, also later on a link that is attached again.
    pub(super) fn announce(&mut self, slot: Key, messages: u32) -> Result<()> {
        let announced = match self.sender(slot) {
            Ok(mut sender) => sender.set_available(messages).map_err(Error::from),
            Err(over) => Err(over),
        };
        match announced {
            Err(error) if self.link_interrupted(slot).is_none() => return Err(error),
            _ => {}
        }
        let link = self.links.get_mut(slot);
        if let Some(recipe) = link.and_then(|link| link.recipe.as_mut()) {
            recipe.available = Some(messages);
        }
        Ok(())
    }
}
