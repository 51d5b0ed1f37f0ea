//! [`Links`]: the links behind a handler's tokens, and the links that wait to be attached.

use alloc::boxed::Box;

use super::kept::Kept;
use super::queue::SendQueue;
use super::token::{ConnectionToken, LinkToken, ReceiverToken, SenderToken};
use crate::config::{ReceiverOptions, SenderOptions};
use crate::machine::{LinkError, LinkState, Reason, SessionError, Slab};
use crate::policy::Recovery;
use crate::types::{self, Key, Str};
use crate::view::SessionMut;
use crate::wire::{AmqpError, Condition};

/// A link to be attached for the handler.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) name: Str,
    pub(super) options: LinkOptions,
    pub(super) recovery: Recovery,
}

/// The options of the link.
#[derive(Debug, Clone)]
pub(super) enum LinkOptions {
    Sender(SenderOptions),
    Receiver(ReceiverOptions),
}

impl Wanted {
    /// Attaches the link, which is resumed if it has a state.
    pub(super) fn attach(
        self,
        mut session: SessionMut<'_>,
        state: Option<LinkState>,
        is_resumable: bool,
    ) -> Result<types::LinkKey, LinkError> {
        match self.options {
            LinkOptions::Sender(options) => {
                let options = options.with_resumable(is_resumable);
                match state {
                    Some(state) => session.resume_sender(state, options),
                    None => session.attach_sender(self.name, options),
                }
                .map(types::LinkKey::from)
            }
            LinkOptions::Receiver(options) => {
                let options = options.with_resumable(is_resumable);
                match state {
                    Some(state) => session.resume_receiver(state, options),
                    None => session.attach_receiver(self.name, options),
                }
                .map(types::LinkKey::from)
            }
        }
    }
}

/// A link of a handler.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: ConnectionToken,
    is_sender: bool,
    pub(super) place: AttachState,
    pub(super) end: EndState,
    /// `true` while the handler waits for the peer's attach.
    pub(super) is_asked: bool,
    /// The options to attach it again on the next connection, if it outlives this one.
    pub(super) recipe: Option<Box<Wanted>>,
    /// Messages that cannot be sent yet.
    pub(super) queue: SendQueue,
    /// The deliveries that outlive the connection.
    pub(super) kept: Option<Box<Kept>>,
}

impl Link {
    /// Records the options to attach it again on the next connection.
    pub(super) fn plan(&mut self, recipe: Option<Box<Wanted>>) {
        if self.kept.is_none() {
            self.kept = recipe.as_ref().and_then(|wanted| Kept::new(wanted.recovery));
        }
        self.recipe = recipe;
    }
}

/// The state of a link.
#[derive(Debug)]
pub(super) enum AttachState {
    /// Not attached, since the connection is not open yet.
    Waiting(Box<Wanted>),
    /// Never attached: attaching has failed.
    Failed,
    /// Attached on its connection, with this key.
    Attached(types::LinkKey),
}

/// The end that ends a link, as far as this end knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndState {
    /// Not ended by this end.
    Open,
    /// The handler has closed it, so its end is no news to the handler.
    Closed,
    /// The handler has refused it; no further callback concerns it.
    Refused,
}

/// The links of all connections of a container.
#[derive(Debug, Default)]
pub(super) struct Links(Slab<Link>);

impl Links {
    /// Adds a link, and returns its key. With 2^32 - 1 links at a time no key is left; the returned one then
    /// names nothing.
    pub(super) fn insert(
        &mut self,
        connection: ConnectionToken,
        is_sender: bool,
        place: AttachState,
    ) -> LinkToken {
        let (end, queue) = (EndState::Open, SendQueue::default());
        let link =
            Link { connection, is_sender, place, end, is_asked: false, recipe: None, queue, kept: None };
        let key = self.0.insert(|_| link).unwrap_or(Key { index: u32::MAX, generation: u32::MAX });
        public(key, is_sender)
    }

    pub(super) fn get(&self, key: LinkToken) -> Option<&Link> {
        self.0.get(key.key())
    }

    pub(super) fn get_mut(&mut self, key: LinkToken) -> Option<&mut Link> {
        self.0.get_mut(key.key())
    }

    /// Records that the handler has requested the link, with the options to attach it again.
    pub(super) fn ask(&mut self, key: LinkToken, recipe: Option<Box<Wanted>>) {
        if let Some(link) = self.get_mut(key) {
            link.is_asked = true;
            link.plan(recipe);
        }
    }

    pub(super) fn remove(&mut self, key: LinkToken) -> Option<Link> {
        self.0.remove(key.key())
    }

    /// Returns the connection's key of a link, once it is attached.
    pub(super) fn attached(&self, key: LinkToken) -> Option<types::LinkKey> {
        match self.get(key)?.place {
            AttachState::Attached(link) => Some(link),
            AttachState::Waiting(_) | AttachState::Failed => None,
        }
    }

    /// Returns `true` if the link is of this connection.
    pub(super) fn is_of(&self, key: LinkToken, connection: ConnectionToken) -> bool {
        self.get(key).is_some_and(|link| link.connection == connection)
    }

    /// Returns the public form of a key, if it names a link.
    pub(super) fn at(&self, key: Key) -> Option<LinkToken> {
        self.0.get(key).map(|link| public(key, link.is_sender))
    }

    /// Returns the public form of `key` if it names this link of the connection.
    pub(super) fn known(&self, key: Key, link: types::LinkKey) -> Option<LinkToken> {
        let known = self.0.get(key)?;
        match known.place {
            AttachState::Attached(attached) if attached == link => Some(public(key, known.is_sender)),
            _ => None,
        }
    }
}

fn public(key: Key, is_sender: bool) -> LinkToken {
    if is_sender { SenderToken(key).into() } else { ReceiverToken(key).into() }
}

/// Returns the reason for a link that cannot be attached.
pub(super) fn unattached(error: &LinkError) -> Reason {
    let condition = match error {
        LinkError::NoSession | LinkError::NotOffered | LinkError::Attached | LinkError::Detached => {
            Condition::IllegalState
        }
        LinkError::Coordinator => Condition::NotAllowed,
        LinkError::NoTerminus | LinkError::OtherLink => Condition::InvalidField,
        LinkError::NameInUse => Condition::ResourceLocked,
        LinkError::Handles | LinkError::Limit => Condition::ResourceLimitExceeded,
        LinkError::TooLarge(_) => Condition::FrameSizeTooSmall,
    };
    local(condition, error)
}

/// Returns the reason for a link whose session cannot be begun.
pub(super) fn unbegun(error: &SessionError) -> Reason {
    let condition = match error {
        SessionError::NotOpen | SessionError::NotOffered | SessionError::Ended => Condition::IllegalState,
        SessionError::Channels => Condition::ResourceLimitExceeded,
        SessionError::TooLarge(_) => Condition::FrameSizeTooSmall,
    };
    local(condition, error)
}

/// Returns the reason for something that this end cannot do.
pub(super) fn local(condition: Condition, words: &dyn core::fmt::Display) -> Reason {
    Reason::local(Some(AmqpError::new(condition).with_description(alloc::format!("{words}"))))
}
