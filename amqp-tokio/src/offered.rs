//! [`OfferedLink`]: a link that the peer attaches.

use std::task::Waker;

use amqp_proto::client::Result;
use amqp_proto::config::{ReceiverOptions, SenderOptions};
use amqp_proto::driver;
use amqp_proto::types::Str;
use amqp_proto::wire::{Attach, Source, Terminus};

use crate::receiver::Receiver;
use crate::sender::Sender;

/// A link that the peer attaches, to be accepted or refused. Dropping it refuses it.
#[derive(Debug)]
#[non_exhaustive]
pub enum OfferedLink {
    /// The peer wants to receive: this end would send.
    Sender(OfferedSender),
    /// The peer wants to send: this end would receive.
    Receiver(OfferedReceiver),
}

impl From<driver::OfferedLink<Waker>> for OfferedLink {
    fn from(link: driver::OfferedLink<Waker>) -> Self {
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

    /// Refuses it, saying why.
    pub fn refuse(self, error: impl Into<amqp_proto::wire::AmqpError>) -> Result<()> {
        match self {
            Self::Sender(link) => link.refuse(error),
            Self::Receiver(link) => link.refuse(error),
        }
    }
}

/// A link on which the peer wants to receive.
#[derive(Debug)]
pub struct OfferedSender(driver::OfferedSender<Waker>);

impl OfferedSender {
    /// Returns the peer's attach.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.0.peer_attach()
    }

    /// Returns where the peer wants messages from.
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

    /// Accepts it. What the options leave open is as the peer asks.
    pub fn accept_with(self, options: SenderOptions) -> Result<Sender> {
        self.0.accept(options).map(|link| Sender::new(link, None))
    }

    /// Refuses it, saying why.
    pub fn refuse(self, error: impl Into<amqp_proto::wire::AmqpError>) -> Result<()> {
        self.0.refuse(error)
    }
}

/// A link on which the peer wants to send.
#[derive(Debug)]
pub struct OfferedReceiver(driver::OfferedReceiver<Waker>);

impl OfferedReceiver {
    /// Returns the peer's attach.
    pub fn peer_attach(&self) -> Option<Attach> {
        self.0.peer_attach()
    }

    /// Returns where the peer wants its messages to go.
    pub fn target(&self) -> Option<Terminus> {
        self.0.target()
    }

    /// Returns the address of that, if it is a node that exists.
    pub fn address(&self) -> Option<Str> {
        self.0.address()
    }

    /// Accepts it as the peer asks.
    pub fn accept(self) -> Result<Receiver> {
        self.accept_with(ReceiverOptions::new())
    }

    /// Accepts it. What the options leave open is as the peer asks.
    pub fn accept_with(self, options: ReceiverOptions) -> Result<Receiver> {
        self.0.accept(options).map(Receiver::new)
    }

    /// Refuses it, saying why.
    pub fn refuse(self, error: impl Into<amqp_proto::wire::AmqpError>) -> Result<()> {
        self.0.refuse(error)
    }
}
