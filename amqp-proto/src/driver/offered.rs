//! Sessions and links that the peer begins and attaches, to be accepted or refused.

use alloc::sync::Arc;

use super::adapter::Adapter;
use super::coordinator::Coordinator;
use super::guard::{ConnectionGuard, LinkGuard, SessionGuard};
use super::receiver::Receiver;
use super::sender::Sender;
use super::session::Session;
use super::slots::either_end;
use super::state::State;
use super::wake::Wake;
use crate::client::{Error, Result};
use crate::config::{ReceiverOptions, SenderOptions, SessionOptions};
use crate::policy::Router;
use crate::types::{Key, LinkKey, Str};
use crate::wire::{self, Attach, Begin, Source, Terminus};

/// A session or a link of the peer. Dropping the value refuses it.
#[derive(Debug)]
pub enum Offer<A: Adapter> {
    /// A session.
    Session(OfferedSession<A>),
    /// A link.
    Link(OfferedLink<A>),
}

/// A session or a link that was accepted.
#[derive(Debug)]
pub enum Accepted<A: Adapter> {
    /// A session. It stays when this is dropped.
    Session(A::Session),
    /// A link on which this end sends.
    Sender(A::Sender),
    /// A link on which this end receives.
    Receiver(A::Receiver),
}

impl<A: Adapter> Offer<A> {
    /// Returns the next session or link of the peer, if any.
    pub(super) fn take(
        connection: &Arc<ConnectionGuard<A::Waiter>>,
        state: &mut State<A::Waiter>,
    ) -> Option<Self> {
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

    /// Accepts the session or link with the settings that the peer requests.
    ///
    /// # Errors
    ///
    /// `Error::Begin` or `Error::Attach` if it cannot be accepted; `Error::Link`, `Error::Session` or
    /// `Error::Connection` if it is over.
    pub fn accept(self) -> Result<Accepted<A>> {
        Ok(match self {
            Self::Session(session) => Accepted::Session(session.accept()?),
            Self::Link(OfferedLink::Sender(link)) => Accepted::Sender(link.accept()?),
            Self::Link(OfferedLink::Receiver(link)) => Accepted::Receiver(link.accept()?),
        })
    }

    /// Returns a link with the handler of its address. A link without a handler is refused with `amqp:not-found`, and a
    /// session is accepted with default options.
    pub fn route<H>(self, router: &Router<H>) -> Option<(&H, OfferedLink<A>)> {
        let link = match self {
            Self::Link(link) => link,
            Self::Session(session) => {
                // A session that is over already has no links.
                let _ = session.accept();
                return None;
            }
        };
        match router.route(&link.peer_attach()?) {
            Ok(handler) => Some((handler, link)),
            Err(error) => {
                // A link that is over already needs no refusal.
                let _ = link.refuse(error);
                None
            }
        }
    }
}

/// A session that the peer has begun. Dropping the value refuses the session.
#[derive(Debug)]
pub struct OfferedSession<A: Adapter> {
    session: Session<A::Waiter>,
}

impl<A: Adapter> OfferedSession<A> {
    pub(super) fn new(
        connection: &Arc<ConnectionGuard<A::Waiter>>,
        state: &mut State<A::Waiter>,
        slot: Key,
    ) -> Self {
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
    /// `Error::Begin` if the session cannot be accepted; `Error::Session` or `Error::Connection` if it is over.
    pub fn accept(self) -> Result<A::Session> {
        self.accept_with(SessionOptions::new())
    }

    /// Accepts the session with options.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn accept_with(self, options: SessionOptions) -> Result<A::Session> {
        self.session.accept(options)?;
        Ok(self.session.leave().into())
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
pub enum OfferedLink<A: Adapter> {
    /// The peer receives; this end sends.
    Sender(OfferedSender<A>),
    /// The peer sends; this end receives.
    Receiver(OfferedReceiver<A>),
}

/// A link on which the peer receives. Dropping the value refuses the link.
#[derive(Debug)]
pub struct OfferedSender<A: Adapter> {
    guard: LinkGuard<A::Waiter>,
}

/// A link on which the peer sends. Dropping the value refuses the link.
#[derive(Debug)]
pub struct OfferedReceiver<A: Adapter> {
    guard: LinkGuard<A::Waiter>,
}

impl<A: Adapter> OfferedLink<A> {
    pub(super) fn new(
        session: &Arc<SessionGuard<A::Waiter>>,
        state: &State<A::Waiter>,
        slot: Key,
    ) -> Option<Self> {
        let key = state.links.get(slot)?.key?;
        let guard = LinkGuard::of_peer(Arc::clone(session), slot);
        Some(match key {
            LinkKey::Sender(_) => Self::Sender(OfferedSender { guard }),
            LinkKey::Receiver(_) => Self::Receiver(OfferedReceiver { guard }),
        })
    }

    fn guard(&self) -> &LinkGuard<A::Waiter> {
        match self {
            Self::Sender(link) => &link.guard,
            Self::Receiver(link) => &link.guard,
        }
    }

    /// Returns the peer's attach.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.guard().peer_attach()
    }

    /// Refuses the link with an error for the peer.
    ///
    /// # Errors
    ///
    /// `Error::Attach` if the link cannot be refused.
    pub fn refuse(self, error: impl Into<wire::AmqpError>) -> Result<()> {
        self.guard().refuse(error.into())
    }
}

/// Writes the methods of offered links of both roles.
macro_rules! offered {
    ($offered:ident: $handle:ident, $options:ident) => {
        impl<A: Adapter> $offered<A> {
            /// Returns the peer's attach.
            pub fn peer_attach(&self) -> Option<Attach> {
                self.guard.peer_attach()
            }

            /// Accepts the link with the settings that the peer requests.
            ///
            /// # Errors
            ///
            /// `Error::Attach` if the link cannot be accepted; `Error::Link`, `Error::Session` or `Error::Connection`
            /// if it is over.
            pub fn accept(self) -> Result<A::$handle> {
                self.accept_with($options::new())
            }

            /// Accepts the link. Settings that `options` leave open are as the peer requests.
            ///
            /// # Errors
            ///
            /// As [`accept`](Self::accept).
            pub fn accept_with(self, options: $options) -> Result<A::$handle> {
                let (options, mut taken) = self.guard.take_terminus(options)?;
                let state = taken.as_mut().and_then(|taken| taken.state.take());
                match (self.accept_end(options, state.clone()), taken) {
                    (Ok(()), Some(taken)) => self.guard.keep_terminus(taken),
                    (Ok(()), None) => {}
                    (Err(error), taken) => {
                        taken.into_iter().for_each(|taken| taken.give_up(state.clone()));
                        return Err(error);
                    }
                }
                Ok($handle::new(self.guard).into())
            }

            /// Accepts the link, and resumes it with the state that [`take_state`]($handle::take_state) has returned.
            ///
            /// If the peer resumes the link, too, its attach has an unsettled map. Otherwise it has lost its state, or
            /// attaches a new link of this name; [`accept_with`](Self::accept_with) accepts that as a new one.
            /// [`take_resumed`]($handle::take_resumed) then tells how each delivery of the state goes on.
            ///
            /// # Errors
            ///
            /// As [`accept`](Self::accept); also `Error::Attach` if the state belongs to another link.
            pub fn accept_resumed(
                self,
                options: $options,
                state: crate::machine::LinkState,
            ) -> Result<A::$handle> {
                self.accept_end(options, Some(state))?;
                Ok($handle::new(self.guard).into())
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
    };
}

offered! { OfferedSender: Sender, SenderOptions }
offered! { OfferedReceiver: Receiver, ReceiverOptions }

impl<A: Adapter> OfferedSender<A> {
    /// Returns the source that the peer requests.
    ///
    /// A source with `dynamic` asks for a new node; the source of the options for [`accept_with`](Self::accept_with)
    /// then has its address.
    pub fn source(&self) -> Option<Source> {
        self.peer_attach()?.source.map(|source| *source)
    }

    /// Returns the address of the source.
    pub fn address(&self) -> Option<Str> {
        self.source()?.address
    }

    fn accept_end(&self, options: SenderOptions, saved: Option<crate::machine::LinkState>) -> Result<()> {
        let is_resumable = options.resumption.is_some() || saved.is_some();
        self.guard.hub().with(|state| {
            let mut sender = state.sender(self.guard.slot)?;
            match saved {
                Some(saved) => sender.accept_resumed(options, saved)?,
                None => sender.accept_link(options)?,
            }
            state.set_accepted(self.guard.slot, false, is_resumable);
            Ok(())
        })
    }
}

impl<A: Adapter> OfferedReceiver<A> {
    /// Returns the target that the peer requests.
    ///
    /// A target with `dynamic` asks for a new node; the target of the options for [`accept_with`](Self::accept_with)
    /// then has its address.
    pub fn target(&self) -> Option<Terminus> {
        self.peer_attach()?.target.map(|target| *target)
    }

    /// Accepts a control link, whose [target](Self::target) is a coordinator: this end is the coordinator of the peer's
    /// transactions [4.1].
    ///
    /// # Errors
    ///
    /// `Error::Attach` if the peer does not ask for a coordinator; also those of [`accept`](Self::accept).
    pub fn accept_coordinator(self) -> Result<A::Coordinator> {
        self.guard.hub().with(|state| {
            state.receiver(self.guard.slot)?.accept_coordinator()?;
            state.set_accepted(self.guard.slot, false, false);
            Ok::<_, Error>(())
        })?;
        Ok(Coordinator::new(self.guard).into())
    }

    /// Returns the address of the target, if the target is a node with an address.
    pub fn address(&self) -> Option<Str> {
        match self.target()? {
            Terminus::Target(target) => target.address,
            _ => None,
        }
    }

    fn accept_end(&self, options: ReceiverOptions, saved: Option<crate::machine::LinkState>) -> Result<()> {
        let is_resumable = options.resumption.is_some() || saved.is_some();
        self.guard.hub().with(|state| {
            let mut receiver = state.receiver(self.guard.slot)?;
            match saved {
                Some(saved) => receiver.accept_resumed(options, saved)?,
                None => receiver.accept_link(options)?,
            }
            let is_streaming = receiver.is_streaming();
            state.set_accepted(self.guard.slot, is_streaming, is_resumable);
            Ok(())
        })
    }
}

impl<W: Wake> LinkGuard<W> {
    pub(super) fn refuse(&self, error: wire::AmqpError) -> Result<()> {
        self.hub().with(|state| {
            let key = state.links.get(self.slot).and_then(|link| link.key);
            let refused =
                key.and_then(|key| either_end!(state.engine, key, mut link => link.refuse_link(error)));
            refused.unwrap_or(Ok(())).map_err(Error::from)
        })
    }
}

impl<W: Wake> State<W> {
    /// Records that a link is accepted and so attached.
    fn set_accepted(&mut self, slot: Key, is_streaming: bool, is_resumable: bool) {
        if let Some(link) = self.links.get_mut(slot) {
            link.is_attached = true;
            link.is_streaming = is_streaming;
            if is_resumable {
                link.resumption.get_or_insert_default();
            }
        }
    }
}
