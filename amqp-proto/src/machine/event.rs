//! [`Event`]: what a connection has to tell.

use core::fmt;

use alloc::boxed::Box;

use crate::types::{DeliveryKey, Fields, LinkKey, ReceiverKey, SenderKey, SessionKey, Str};
use crate::wire::{Condition, DeliveryState, Error};

/// Something that happened. What an event tells of can also be asked for, so one that is not looked at does no harm;
/// only what has ended can no longer be asked about.
///
/// Nothing comes after [`Closed`](Self::Closed), nothing about a session after it has ended, nothing about a link
/// after it was detached, until it is attached again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Both ends have opened the connection.
    Opened,
    /// The connection is over: closed, or lost. Its sessions have ended before.
    Closed(Box<Reason>),
    /// The peer has begun a session, which is to be accepted or refused.
    SessionOffered(SessionKey),
    /// A session that this end has begun is mapped: the peer has answered.
    SessionBegun(SessionKey),
    /// A session is over. Its links have been detached, and its deliveries reported, before.
    SessionEnded {
        /// Which one.
        session: SessionKey,
        /// Who ended it, and why; where the connection is over, without the info of that error.
        reason: Box<Reason>,
    },
    /// The peer has attached a link, which is to be accepted or refused. A link that was suspended comes under its
    /// old key.
    LinkOffered(LinkKey),
    /// A link that this end has attached is complete: the peer has answered, and has a terminus for it.
    LinkAttached(LinkKey),
    /// A link is detached, at both ends or because its session is over.
    LinkDetached {
        /// Which one. Unless it is suspended, the key names nothing any more.
        link: LinkKey,
        /// Whether it is gone for good; otherwise it is suspended.
        closed: bool,
        /// Who detached it, and why; where its session is over, without the info of that error.
        reason: Box<Reason>,
    },
    /// A sender may send: there is credit, and room in the session's window and the output. Told once, and again
    /// after one of them was used up or a send was refused for want of it, or when a receiver wants credit back of a
    /// link that does not drain by itself. Of a sender in the middle of a delivery: more can be written.
    Sendable(SenderKey),
    /// All credit of a receiver that was to be drained is used up or given back (T-DRAIN-03).
    Drained(ReceiverKey),
    /// A message is there to be received; on a streaming link, its first frame.
    Message {
        /// On which link.
        receiver: ReceiverKey,
        /// Which one.
        delivery: DeliveryKey,
    },
    /// More of a message is there to be read, on a streaming link.
    Data {
        /// On which link.
        receiver: ReceiverKey,
        /// Of which one.
        delivery: DeliveryKey,
    },
    /// The sender has given up a delivery of which the application was told already (T-XFER-13).
    Aborted {
        /// On which link.
        receiver: ReceiverKey,
        /// Which one.
        delivery: DeliveryKey,
    },
    /// The peer has told the state of a delivery, or settled it.
    Updated {
        /// On which link.
        link: LinkKey,
        /// Which one.
        delivery: DeliveryKey,
        /// Its state at the peer; of a settled one that has none, the source's default outcome (T-DISP-08).
        state: Option<DeliveryState>,
        /// Whether it is settled at both ends now, and so forgotten.
        settled: bool,
    },
    /// Nothing yet: a disposition of the peer names so many deliveries that the engine has not found one in it of which
    /// something is to be told. More is looked at with the next poll; a driver with other work may do that first.
    Busy,
    /// An unsettled delivery is gone with its link or session: the peer may know its outcome, or not.
    Lost {
        /// On which link.
        link: LinkKey,
        /// Which one.
        delivery: DeliveryKey,
        /// Its last known state at the peer.
        state: Option<DeliveryState>,
    },
}

/// Who ended something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// This end: the application, or the engine because of a fault of the peer, which the error describes.
    Local,
    /// The peer.
    Remote,
    /// Neither: the octets stopped, or are not AMQP.
    Transport,
}

/// Why a connection, a session or a link ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reason {
    /// Who ended it.
    pub origin: Origin,
    /// What was wrong, if anything was: condition, description and info.
    pub error: Option<Error>,
}

impl Reason {
    pub(crate) fn new(origin: Origin, error: Option<Error>) -> Self {
        Self { origin, error }
    }

    pub(crate) fn local(error: Option<Error>) -> Self {
        Self::new(Origin::Local, error)
    }

    /// The same without what a program may want to know: for the links of a session and the sessions of a connection
    /// that has ended, of which there may be many.
    pub(crate) fn brief(&self) -> Self {
        let error = self.error.as_ref().map(|error| Error {
            info: Fields::new(),
            description: error.description.clone(),
            condition: error.condition.clone(),
        });
        Self::new(self.origin, error)
    }

    /// There is no transport, or it is broken, or what comes over it is not AMQP.
    pub(crate) fn transport(words: impl Into<Str>) -> Self {
        let error = Error::new(Condition::FramingError).with_description(words);
        Self::new(Origin::Transport, Some(error))
    }

    /// This end has closed the connection, and not all was written that was to be written before.
    pub(crate) fn unwritten() -> Self {
        let words = "closed before all that was sent was written";
        Self::local(Some(Error::new(Condition::ResourceLimitExceeded).with_description(words)))
    }

    pub(crate) fn remote(error: Option<Error>) -> Self {
        Self::new(Origin::Remote, error)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.origin {
            Origin::Local => "ended by this end",
            Origin::Remote => "ended by the peer",
            Origin::Transport => "transport",
        })?;
        match (&self.error, self.origin) {
            // There is no condition for that: what the words say is all there is.
            (Some(Error { description: Some(words), .. }), Origin::Transport) => {
                write!(f, ": {}", words.escape_debug())
            }
            (Some(error), _) => write!(f, ": {error}"),
            (None, _) => Ok(()),
        }
    }
}

impl core::error::Error for Reason {}
