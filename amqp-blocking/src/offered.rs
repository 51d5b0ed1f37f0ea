//! [`Offer`]: a session or link that the peer wants.

use std::fmt;
use std::sync::Arc;

use amqp_proto::config::{ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::endpoint::{Error, Result};
use amqp_proto::types::{LinkKey, ReceiverKey, SenderKey, SessionKey, Str};
use amqp_proto::wire::{self, Attach, Begin, Source, Terminus};

use crate::connection::Handle;
use crate::link::LinkHandle;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::session::Session;
use crate::state::Wish;

/// What the peer wants. It is refused when it is dropped undecided.
#[derive(Debug)]
pub enum Offer {
    /// A session.
    Session(OfferedSession),
    /// A link.
    Link(OfferedLink),
}

/// A link that the peer has attached.
#[derive(Debug)]
pub enum OfferedLink {
    /// The peer receives, and this end sends.
    Sender(OfferedSender),
    /// The peer sends, and this end receives.
    Receiver(OfferedReceiver),
}

impl Offer {
    pub(crate) fn new(connection: &Arc<Handle>, wish: Wish) -> Self {
        let connection = Arc::clone(connection);
        match wish {
            Wish::Session(key) => Self::Session(OfferedSession { connection, key, is_decided: false }),
            Wish::Link(LinkKey::Sender(key), _) => {
                Self::Link(OfferedLink::Sender(OfferedSender { connection, key, is_decided: false }))
            }
            Wish::Link(LinkKey::Receiver(key), _) => {
                Self::Link(OfferedLink::Receiver(OfferedReceiver { connection, key, is_decided: false }))
            }
        }
    }

    /// Accepts it as the peer asks, whatever it is.
    pub fn accept(self) -> Result<Accepted> {
        Ok(match self {
            Self::Session(session) => Accepted::Session(session.accept()?),
            Self::Link(OfferedLink::Sender(link)) => Accepted::Sender(link.accept()?),
            Self::Link(OfferedLink::Receiver(link)) => Accepted::Receiver(link.accept()?),
        })
    }
}

impl OfferedLink {
    /// What the peer's attach says.
    pub fn peer_attach(&self) -> Option<Attach> {
        match self {
            Self::Sender(link) => link.peer_attach(),
            Self::Receiver(link) => link.peer_attach(),
        }
    }

    /// Refuses it, and says why.
    pub fn refuse(self, error: impl Into<wire::Error>) -> Result<()> {
        match self {
            Self::Sender(link) => link.refuse(error),
            Self::Receiver(link) => link.refuse(error),
        }
    }
}

/// What was accepted.
#[derive(Debug)]
pub enum Accepted {
    /// A session. It stays when this is dropped.
    Session(Session),
    /// A link over which this end sends.
    Sender(Sender),
    /// A link over which this end receives.
    Receiver(Receiver),
}

/// A session that the peer wants.
pub struct OfferedSession {
    connection: Arc<Handle>,
    key: SessionKey,
    is_decided: bool,
}

impl OfferedSession {
    /// What the peer's begin says.
    pub fn peer_begin(&self) -> Option<Begin> {
        self.connection.shared.act(|state| state.connection.session(self.key).ok()?.peer_begin())
    }

    /// Accepts it. It lasts until either end ends it, or the connection is over: the handle need not be kept.
    pub fn accept(self) -> Result<Session> {
        self.accept_with(&SessionOptions::new())
    }

    /// The same, as the options say.
    pub fn accept_with(mut self, options: &SessionOptions) -> Result<Session> {
        let key = self.key;
        let life = self.connection.shared.act(|state| {
            state.connection.session(key)?.accept(options)?;
            Ok::<_, Error>(state.hold_session(key))
        })?;
        self.is_decided = true;
        Ok(Session::new(&self.connection, key, life, false))
    }

    /// Refuses it, and says why.
    pub fn refuse(mut self, error: impl Into<wire::Error>) -> Result<()> {
        self.is_decided = true;
        let (key, error) = (self.key, error.into());
        self.connection.shared.act(|state| Ok(state.connection.session(key)?.end_with(error)?))
    }
}

impl Drop for OfferedSession {
    fn drop(&mut self) {
        if !self.is_decided {
            self.connection.shared.act(|state| state.end_session(self.key, None));
        }
    }
}

/// A link over which the peer wants to receive.
pub struct OfferedSender {
    connection: Arc<Handle>,
    key: SenderKey,
    is_decided: bool,
}

impl OfferedSender {
    /// What the peer's attach says.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.connection.shared.act(|state| state.peer_attach(self.key.into()))
    }

    /// Where the peer wants to receive from. A node that is to be made for this link is `dynamic`; its address is then
    /// told by the source of the options.
    pub fn source(&self) -> Option<Source> {
        self.peer_attach()?.source.map(|source| *source)
    }

    /// The address of that.
    pub fn address(&self) -> Option<Str> {
        self.source()?.address
    }

    /// Accepts it as the peer asks.
    pub fn accept(self) -> Result<Sender> {
        self.accept_with(SenderOptions::new())
    }

    /// The same, as the options say.
    pub fn accept_with(mut self, options: SenderOptions) -> Result<Sender> {
        let key = self.key;
        let life = self.connection.shared.act(|state| {
            state.connection.sender(key)?.accept_link(&options)?;
            Ok::<_, Error>(state.hold_link(key.into()))
        })?;
        self.is_decided = true;
        Ok(Sender::new(key, LinkHandle::accepted(&self.connection, key.into(), life), None))
    }

    /// Refuses it, and says why.
    pub fn refuse(mut self, error: impl Into<wire::Error>) -> Result<()> {
        self.is_decided = true;
        let (key, error) = (self.key, error.into());
        self.connection.shared.act(|state| Ok(state.connection.sender(key)?.refuse_link(error)?))
    }
}

/// A link over which the peer wants to send.
pub struct OfferedReceiver {
    connection: Arc<Handle>,
    key: ReceiverKey,
    is_decided: bool,
}

impl OfferedReceiver {
    /// What the peer's attach says.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.connection.shared.act(|state| state.peer_attach(self.key.into()))
    }

    /// Where the peer wants to send to. A node that is to be made for this link is `dynamic`; its address is then told
    /// by the target of the options.
    pub fn target(&self) -> Option<Terminus> {
        self.peer_attach()?.target.map(|target| *target)
    }

    /// The address of that.
    pub fn address(&self) -> Option<Str> {
        match self.target()? {
            Terminus::Target(target) => target.address,
            _ => None,
        }
    }

    /// Accepts it as the peer asks.
    pub fn accept(self) -> Result<Receiver> {
        self.accept_with(ReceiverOptions::new())
    }

    /// The same, as the options say.
    pub fn accept_with(mut self, options: ReceiverOptions) -> Result<Receiver> {
        let key = self.key;
        let life = self.connection.shared.act(|state| {
            state.connection.receiver(key)?.accept_link(&options)?;
            Ok::<_, Error>(state.hold_link(key.into()))
        })?;
        self.is_decided = true;
        Ok(Receiver::new(key, LinkHandle::accepted(&self.connection, key.into(), life)))
    }

    /// Refuses it, and says why.
    pub fn refuse(mut self, error: impl Into<wire::Error>) -> Result<()> {
        self.is_decided = true;
        let (key, error) = (self.key, error.into());
        self.connection.shared.act(|state| Ok(state.connection.receiver(key)?.refuse_link(error)?))
    }
}

macro_rules! links {
    ($($name:ident)*) => {$(
        impl Drop for $name {
            fn drop(&mut self) {
                if !self.is_decided {
                    // What cannot be refused is gone.
                    let _ = self.connection.shared.act(|state| state.close_link(self.key.into(), None));
                }
            }
        }
    )*};
}

links! { OfferedSender OfferedReceiver }

macro_rules! shown {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "offered {:?}", self.key)
            }
        }
    )*};
}

shown! { OfferedSession OfferedSender OfferedReceiver }
