//! Sessions and links of the peer, to be accepted or refused.

use alloc::sync::Arc;

use super::guard::{ConnectionGuard, LinkGuard, SessionGuard};
use super::receiver::Receiver;
use super::sender::Sender;
use super::session::Session;
use super::slots::either_end;
use super::state::State;
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::config::{ReceiverOptions, SenderOptions, SessionOptions};
use crate::types::{Key, LinkKey, Str};
use crate::wire::{self, Attach, Begin, Source, Terminus};

/// A session that the peer has begun. Dropping the value refuses the session.
#[derive(Debug)]
pub struct OfferedSession<W: Wake> {
    session: Session<W>,
}

/// A session or a link of the peer. Dropping the value refuses it.
#[derive(Debug)]
pub enum Offer<W: Wake> {
    /// A session.
    Session(OfferedSession<W>),
    /// A link.
    Link(OfferedLink<W>),
}

impl<W: Wake> Offer<W> {
    /// Returns the next session or link of the peer, if any.
    pub(super) fn take(connection: &Arc<ConnectionGuard<W>>, state: &mut State<W>) -> Option<Self> {
        if let Some(slot) = state.offered.pop_front() {
            return Some(Self::Session(OfferedSession::new(connection, state, slot)));
        }
        let waiting: Vec<Key> = state.sessions.keys().collect();
        waiting.into_iter().find_map(|session| {
            let link = state.sessions.get_mut(session)?.offered.pop_front()?;
            let guard = Session::new(connection, state, session, false).guard;
            OfferedLink::new(&guard, state, link).map(Self::Link)
        })
    }
}

impl<W: Wake> OfferedSession<W> {
    pub(super) fn new(connection: &Arc<ConnectionGuard<W>>, state: &mut State<W>, slot: Key) -> Self {
        Self { session: Session::new(connection, state, slot, true) }
    }

    /// Returns the peer's begin.
    pub fn peer_begin(&self) -> Option<Begin> {
        self.session.peer_begin()
    }

    /// Accepts the session, which lasts until either end ends it, with or without a handle.
    ///
    /// # Errors
    ///
    /// `Error::Begin` if the session cannot be accepted; `Error::Session` or `Error::Connection` if it is
    /// over.
    pub fn accept(self, options: SessionOptions) -> Result<Session<W>> {
        self.session.accept(&options)?;
        Ok(self.session.leave())
    }

    /// Refuses the session with an error for the peer.
    ///
    /// # Errors
    ///
    /// `Error::Begin` if the session cannot be refused.
    pub fn refuse(self, error: impl Into<wire::AmqpError>) -> Result<()> {
        self.session.begin_end(Some(error.into()))
    }
}

/// A link that the peer has attached. Dropping the value refuses the link.
#[derive(Debug)]
pub enum OfferedLink<W: Wake> {
    /// The peer receives; this end sends.
    Sender(OfferedSender<W>),
    /// The peer sends; this end receives.
    Receiver(OfferedReceiver<W>),
}

/// A link on which the peer receives.
#[derive(Debug)]
pub struct OfferedSender<W: Wake> {
    guard: LinkGuard<W>,
}

/// A link on which the peer sends.
#[derive(Debug)]
pub struct OfferedReceiver<W: Wake> {
    guard: LinkGuard<W>,
}

impl<W: Wake> OfferedLink<W> {
    pub(super) fn new(session: &Arc<SessionGuard<W>>, state: &State<W>, slot: Key) -> Option<Self> {
        let key = state.links.get(slot)?.key?;
        let guard = LinkGuard { session: Arc::clone(session), slot };
        Some(match key {
            LinkKey::Sender(_) => Self::Sender(OfferedSender { guard }),
            LinkKey::Receiver(_) => Self::Receiver(OfferedReceiver { guard }),
        })
    }

    /// Returns the peer's attach.
    pub fn peer_attach(&self) -> Option<Attach> {
        match self {
            Self::Sender(link) => link.peer_attach(),
            Self::Receiver(link) => link.peer_attach(),
        }
    }

    /// Refuses the link with an error for the peer.
    ///
    /// # Errors
    ///
    /// `Error::Attach` if the link cannot be refused.
    pub fn refuse(self, error: impl Into<wire::AmqpError>) -> Result<()> {
        match self {
            Self::Sender(link) => link.refuse(error),
            Self::Receiver(link) => link.refuse(error),
        }
    }
}

impl<W: Wake> LinkGuard<W> {
    fn refuse(&self, error: wire::AmqpError) -> Result<()> {
        self.hub().with(|state| {
            let key = state.links.get(self.slot).and_then(|link| link.key);
            let refused =
                key.and_then(|key| either_end!(state.engine, key, mut link => link.refuse_link(error)));
            refused.unwrap_or(Ok(())).map_err(Error::from)
        })
    }
}

impl<W: Wake> OfferedSender<W> {
    /// Returns the peer's attach.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.guard.peer_attach()
    }

    /// Returns the source that the peer requests.
    ///
    /// A source with `dynamic` asks for a new node; the source of the options for [`accept`](Self::accept)
    /// then has its address.
    pub fn source(&self) -> Option<Source> {
        self.peer_attach()?.source.map(|source| *source)
    }

    /// Returns the address of the source.
    pub fn address(&self) -> Option<Str> {
        self.source()?.address
    }

    /// Accepts the link. Settings that `options` leave open are as the peer requests.
    ///
    /// # Errors
    ///
    /// `Error::Attach` if the link cannot be accepted; `Error::Link`, `Error::Session` or `Error::Connection`
    /// if it is over.
    pub fn accept(self, options: SenderOptions) -> Result<Sender<W>> {
        self.guard.hub().with(|state| {
            state.sender(self.guard.slot)?.accept_link(&options)?;
            state.set_accepted(self.guard.slot, false);
            Ok::<_, Error>(())
        })?;
        Ok(Sender { guard: Arc::new(self.guard) })
    }

    /// Refuses the link with an error for the peer.
    ///
    /// # Errors
    ///
    /// `Error::Attach` if the link cannot be refused.
    pub fn refuse(self, error: impl Into<wire::AmqpError>) -> Result<()> {
        self.guard.refuse(error.into())
    }
}

impl<W: Wake> OfferedReceiver<W> {
    /// Returns the peer's attach.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.guard.peer_attach()
    }

    /// Returns the target that the peer requests.
    ///
    /// A target with `dynamic` asks for a new node; the target of the options for [`accept`](Self::accept)
    /// then has its address.
    pub fn target(&self) -> Option<Terminus> {
        self.peer_attach()?.target.map(|target| *target)
    }

    /// Returns the address of the target, if the target is a node with an address.
    pub fn address(&self) -> Option<Str> {
        match self.target()? {
            Terminus::Target(target) => target.address,
            _ => None,
        }
    }

    /// Accepts the link. Settings that `options` leave open are as the peer requests.
    ///
    /// # Errors
    ///
    /// `Error::Attach` if the link cannot be accepted; `Error::Link`, `Error::Session` or `Error::Connection`
    /// if it is over.
    pub fn accept(self, options: ReceiverOptions) -> Result<Receiver<W>> {
        self.guard.hub().with(|state| {
            let mut receiver = state.receiver(self.guard.slot)?;
            receiver.accept_link(&options)?;
            let is_streaming = receiver.is_streaming();
            state.set_accepted(self.guard.slot, is_streaming);
            Ok::<_, Error>(())
        })?;
        Ok(Receiver { guard: Arc::new(self.guard) })
    }

    /// Refuses the link with an error for the peer.
    ///
    /// # Errors
    ///
    /// `Error::Attach` if the link cannot be refused.
    pub fn refuse(self, error: impl Into<wire::AmqpError>) -> Result<()> {
        self.guard.refuse(error.into())
    }
}

impl<W: Wake> State<W> {
    /// Records that a link is accepted and so attached.
    fn set_accepted(&mut self, slot: Key, is_streaming: bool) {
        if let Some(link) = self.links.get_mut(slot) {
            link.is_attached = true;
            link.is_streaming = is_streaming;
        }
    }
}
