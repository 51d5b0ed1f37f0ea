//! [`OfferedLink`]: a link that the peer attaches.

use std::sync::Arc;

use amqp_proto::config::{ReceiverOptions, SenderOptions};
use amqp_proto::endpoint::{Error, Result};
use amqp_proto::types::{LinkKey, ReceiverKey, SenderKey, Str};
use amqp_proto::wire::{Attach, Source, Terminus};

use crate::link::{LinkGuard, each_end};
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::session::SessionGuard;

/// A link that the peer attaches, to be accepted or refused. Dropping it refuses it.
#[derive(Debug)]
#[non_exhaustive]
pub enum OfferedLink {
    /// The peer wants to receive: this end would send.
    Sender(OfferedSender),
    /// The peer wants to send: this end would receive.
    Receiver(OfferedReceiver),
}

/// A link on which the peer wants to receive.
#[derive(Debug)]
pub struct OfferedSender {
    guard: LinkGuard<SenderKey>,
}

/// A link on which the peer wants to send.
#[derive(Debug)]
pub struct OfferedReceiver {
    guard: LinkGuard<ReceiverKey>,
}

impl OfferedLink {
    pub(crate) fn new(session: &Arc<SessionGuard>, key: LinkKey) -> Self {
        let epoch = session.shared().lock().links.get(&key).map_or(0, |link| link.epoch);
        let session = Arc::clone(session);
        match key {
            LinkKey::Sender(key) => {
                Self::Sender(OfferedSender { guard: LinkGuard::new(session, key, epoch) })
            }
            LinkKey::Receiver(key) => {
                Self::Receiver(OfferedReceiver { guard: LinkGuard::new(session, key, epoch) })
            }
        }
    }

    /// What the peer's attach says.
    pub fn peer_attach(&self) -> Option<Attach> {
        match self {
            Self::Sender(link) => link.guard.peer_attach(),
            Self::Receiver(link) => link.guard.peer_attach(),
        }
    }

    /// Refuses it, saying why.
    pub fn refuse(self, error: impl Into<amqp_proto::wire::Error>) -> Result<()> {
        match self {
            Self::Sender(link) => link.refuse(error),
            Self::Receiver(link) => link.refuse(error),
        }
    }
}

impl<K: Copy + Into<LinkKey>> LinkGuard<K> {
    fn refuse(&self, error: amqp_proto::wire::Error) -> Result<()> {
        self.shared().with(|state| {
            let refused = each_end!(state, self.link(), mut link => link.refuse_link(error));
            refused.unwrap_or(Ok(())).map_err(Error::from)
        })
    }

    /// Notes that the link is accepted, and so attached.
    fn set_accepted(&self, state: &mut crate::state::State, is_streaming: bool) {
        let link = state.links.entry(self.link()).or_default();
        link.is_attached = true;
        link.is_streaming = is_streaming;
    }
}

impl OfferedSender {
    /// What the peer's attach says.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.guard.peer_attach()
    }

    /// Where the peer wants messages from.
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

    /// Accepts it. What the options leave open is as the peer asks.
    pub fn accept_with(self, options: SenderOptions) -> Result<Sender> {
        self.guard.shared().with(|state| {
            self.guard.engine(state)?.accept_link(&options)?;
            self.guard.set_accepted(state, false);
            Ok::<_, Error>(())
        })?;
        Ok(Sender::new(Arc::new(self.guard), None))
    }

    /// Refuses it, saying why.
    pub fn refuse(self, error: impl Into<amqp_proto::wire::Error>) -> Result<()> {
        self.guard.refuse(error.into())
    }
}

impl OfferedReceiver {
    /// What the peer's attach says.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.guard.peer_attach()
    }

    /// Where the peer wants its messages to go.
    pub fn target(&self) -> Option<Terminus> {
        self.peer_attach()?.target.map(|target| *target)
    }

    /// The address of that, if it is a node that exists.
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

    /// Accepts it. What the options leave open is as the peer asks.
    pub fn accept_with(self, options: ReceiverOptions) -> Result<Receiver> {
        self.guard.shared().with(|state| {
            let mut receiver = self.guard.engine(state)?;
            receiver.accept_link(&options)?;
            let is_streaming = receiver.is_streaming();
            self.guard.set_accepted(state, is_streaming);
            Ok::<_, Error>(())
        })?;
        Ok(Receiver::new(Arc::new(self.guard)))
    }

    /// Refuses it, saying why.
    pub fn refuse(self, error: impl Into<amqp_proto::wire::Error>) -> Result<()> {
        self.guard.refuse(error.into())
    }
}
