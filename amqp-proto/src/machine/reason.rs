//! [`Reason`]: who ended a connection, a session or a link, and why.

use core::fmt;

use alloc::boxed::Box;

use crate::sasl::SaslFailure;
use crate::types::{Fields, Str};
use crate::wire::{AmqpError, Condition};

/// The end that has ended something.
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
    /// The end that has ended it.
    pub origin: Origin,
    /// The error that one end told the other: condition, description and info. `None` if nothing was wrong, or if the
    /// transport broke and so nothing could be told.
    pub error: Option<AmqpError>,
    /// The finding of this end, where a program may want to tell it from other errors.
    pub cause: Option<Cause>,
}

/// A finding of this end: why a connection ended, beyond what conditions can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The transport could not be made, ended or broke. The text tells how.
    Transport(Str),
    /// The peer does not speak AMQP 1.0. The text tells what it seems to speak.
    NotAmqp(Str),
    /// SASL did not authenticate the client.
    Sasl(Box<SaslFailure>),
    /// The peer did not open the connection within the open time-out.
    OpenTimedOut,
    /// The peer did not say anything within the open time-out: it may speak TLS, or another protocol.
    NoAnswer,
    /// No frame came within the idle time-out [2.4.5].
    IdleTimedOut,
}

impl Reason {
    pub(crate) fn new(origin: Origin, error: Option<AmqpError>) -> Self {
        Self { origin, error, cause: None }
    }

    pub(crate) fn local(error: Option<AmqpError>) -> Self {
        Self::new(Origin::Local, error)
    }

    pub(crate) fn remote(error: Option<AmqpError>) -> Self {
        Self::new(Origin::Remote, error)
    }

    /// Returns the transport could not be made, ended or broke.
    pub(crate) fn transport(words: impl Into<Str>) -> Self {
        Self::new(Origin::Transport, None).with_cause(Cause::Transport(words.into()))
    }

    /// The peer's octets are not AMQP.
    pub(crate) fn not_amqp(words: impl Into<Str>) -> Self {
        Self::new(Origin::Transport, None).with_cause(Cause::NotAmqp(words.into()))
    }

    /// This end has closed the connection, and not all was written that was to be written before.
    pub(crate) fn unwritten() -> Self {
        let words = "closed before all that was sent was written";
        Self::local(Some(AmqpError::new(Condition::ResourceLimitExceeded).with_description(words)))
    }

    /// SASL has failed: by the peer's outcome, or because this end gave up.
    pub(crate) fn sasl(failure: SaslFailure) -> Self {
        let origin = if failure.code().is_some() { Origin::Remote } else { Origin::Local };
        let condition = match failure.is_system_error() {
            true => Condition::InternalError,
            false => Condition::UnauthorizedAccess,
        };
        let error = AmqpError::new(condition).with_description(alloc::format!("{failure}"));
        Self::new(origin, Some(error)).with_cause(Cause::Sasl(Box::new(failure)))
    }

    #[must_use]
    pub(crate) fn with_cause(mut self, cause: impl Into<Option<Cause>>) -> Self {
        self.cause = cause.into();
        self
    }

    /// Returns whether something was wrong: an error was told, or the transport broke.
    pub fn is_failure(&self) -> bool {
        self.error.is_some() || self.origin == Origin::Transport
    }

    /// The same without what a program may want to know: for the links of a session and the sessions of a connection
    /// that has ended, of which there may be many.
    pub(crate) fn brief(&self) -> Self {
        let error = self.error.as_ref().map(|error| AmqpError {
            info: Fields::new(),
            description: error.description.clone(),
            condition: error.condition.clone(),
        });
        Self::new(self.origin, error).with_cause(self.cause.clone())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cause) = &self.cause {
            return write!(f, "{cause}");
        }
        f.write_str(match self.origin {
            Origin::Local => "ended by this end",
            Origin::Remote => "ended by the peer",
            Origin::Transport => "the transport ended",
        })?;
        self.error.as_ref().map_or(Ok(()), |error| write!(f, ": {error}"))
    }
}

impl core::error::Error for Reason {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(words) | Self::NotAmqp(words) => write!(f, "{}", words.escape_debug()),
            Self::Sasl(failure) => write!(f, "{failure}"),
            Self::OpenTimedOut => f.write_str("timed out waiting for the peer's open"),
            Self::NoAnswer => f.write_str(
                "timed out waiting for the peer's open: it has said nothing, perhaps the port speaks TLS",
            ),
            Self::IdleTimedOut => f.write_str("timed out: no frame came within the idle time-out"),
        }
    }
}
