//! [`Offer`]: a session or link that the peer wants.

use std::thread::Thread;

use amqp_proto::client::Result;
use amqp_proto::config::{ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::driver;
use amqp_proto::types::Str;
use amqp_proto::wire::{self, Attach, Begin, Source, Terminus};

use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::session::Session;

/// A session or a link that the peer wants. It is refused when it is dropped undecided.
#[derive(Debug)]
pub enum Offer {
    /// A session.
    Session(OfferedSession),
    /// A link.
    Link(OfferedLink),
}

impl From<driver::Offer<Thread>> for Offer {
    fn from(offer: driver::Offer<Thread>) -> Self {
        match offer {
            driver::Offer::Session(session) => Self::Session(OfferedSession(session)),
            driver::Offer::Link(link) => Self::Link(link.into()),
        }
    }
}

impl Offer {
    /// Accepts it as the peer asks, whatever it is.
    pub fn accept(self) -> Result<Accepted> {
        Ok(match self {
            Self::Session(session) => Accepted::Session(session.accept()?),
            Self::Link(OfferedLink::Sender(link)) => Accepted::Sender(link.accept()?),
            Self::Link(OfferedLink::Receiver(link)) => Accepted::Receiver(link.accept()?),
        })
    }
}

/// A session or a link that was accepted.
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
#[derive(Debug)]
pub struct OfferedSession(pub(crate) driver::OfferedSession<Thread>);

impl OfferedSession {
    /// Returns the peer's begin.
    pub fn peer_begin(&self) -> Option<Begin> {
        self.0.peer_begin()
    }

    /// Accepts it. It lasts until either end ends it, or the connection is over: the handle need not be kept.
    pub fn accept(self) -> Result<Session> {
        self.accept_with(&SessionOptions::new())
    }

    /// Accepts it, as the options say.
    pub fn accept_with(self, options: &SessionOptions) -> Result<Session> {
        self.0.accept(options.clone()).map(Session)
    }

    /// Refuses it, and says why.
    pub fn refuse(self, error: impl Into<wire::AmqpError>) -> Result<()> {
        self.0.refuse(error)
    }
}

/// A link that the peer has attached.
#[derive(Debug)]
#[non_exhaustive]
pub enum OfferedLink {
    /// The peer wants to receive: this end would send.
    Sender(OfferedSender),
    /// The peer wants to send: this end would receive.
    Receiver(OfferedReceiver),
}

impl From<driver::OfferedLink<Thread>> for OfferedLink {
    fn from(link: driver::OfferedLink<Thread>) -> Self {
        match link {
            driver::OfferedLink::Sender(link) => Self::Sender(OfferedSender(link)),
            driver::OfferedLink::Receiver(link) => Self::Receiver(OfferedReceiver(link)),
        }
    }
}

impl OfferedLink {
    /// Returns the peer's attach.
    pub fn peer_attach(&self) -> Option<Attach> {
        match self {
            Self::Sender(link) => link.peer_attach(),
            Self::Receiver(link) => link.peer_attach(),
        }
    }

    /// Refuses it, and says why.
    pub fn refuse(self, error: impl Into<wire::AmqpError>) -> Result<()> {
        match self {
            Self::Sender(link) => link.refuse(error),
            Self::Receiver(link) => link.refuse(error),
        }
    }
}

/// A link over which the peer wants to receive.
#[derive(Debug)]
pub struct OfferedSender(driver::OfferedSender<Thread>);

impl OfferedSender {
    /// Returns the peer's attach.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.0.peer_attach()
    }

    /// Returns where the peer wants to receive from. A node that is to be made for this link is `dynamic`; its
    /// address is then told by the source of the options.
    pub fn source(&self) -> Option<Source> {
        self.0.source()
    }

    /// Returns the address of that.
    pub fn address(&self) -> Option<Str> {
        self.0.address()
    }

    /// Accepts it as the peer asks.
    pub fn accept(self) -> Result<Sender> {
        self.accept_with(SenderOptions::new())
    }

    /// Accepts it, as the options say.
    pub fn accept_with(self, options: SenderOptions) -> Result<Sender> {
        self.0.accept(options).map(|link| Sender::new(link, None))
    }

    /// Refuses it, and says why.
    pub fn refuse(self, error: impl Into<wire::AmqpError>) -> Result<()> {
        self.0.refuse(error)
    }
}

/// A link over which the peer wants to send.
#[derive(Debug)]
pub struct OfferedReceiver(driver::OfferedReceiver<Thread>);

impl OfferedReceiver {
    /// Returns the peer's attach.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.0.peer_attach()
    }

    /// Returns where the peer wants to send to. A node that is to be made for this link is `dynamic`; its address
    /// is then told by the target of the options.
    pub fn target(&self) -> Option<Terminus> {
        self.0.target()
    }

    /// Returns the address of that.
    pub fn address(&self) -> Option<Str> {
        self.0.address()
    }

    /// Accepts it as the peer asks.
    pub fn accept(self) -> Result<Receiver> {
        self.accept_with(ReceiverOptions::new())
    }

    /// Accepts it, as the options say.
    pub fn accept_with(self, options: ReceiverOptions) -> Result<Receiver> {
        self.0.accept(options).map(Receiver::new)
    }

    /// Refuses it, and says why.
    pub fn refuse(self, error: impl Into<wire::AmqpError>) -> Result<()> {
        self.0.refuse(error)
    }
}
