//! [`Reason`]: the end that ended a connection, a session or a link, and its error.

use core::fmt;

use alloc::boxed::Box;

use crate::sasl::SaslFailure;
use crate::types::{Escaped, Fields, Str};
use crate::wire::{AmqpError, Condition};

/// The end that has ended a connection, a session or a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// This end: the application, or the engine because of a fault of the peer, which the error describes.
    Local,
    /// The peer.
    Remote,
    /// Neither end: the transport has ended, or its octets are not AMQP.
    Transport,
}

/// The reason for the end of a connection, a session or a link.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reason {
    /// The end that ended the connection, session or link.
    pub origin: Origin,
    /// The error in the close, end or detach: condition, description and info. `None` if nothing was wrong,
    /// or if the transport failed.
    pub error: Option<AmqpError>,
    /// The cause that this end has found, for programs that handle it specially.
    pub cause: Option<Cause>,
}

/// A cause for the end of a connection that this end has found and no error condition expresses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The transport could not connect, has ended or has failed. The text has the details.
    Transport(Str),
    /// The peer does not speak AMQP 1.0. The text names the protocol that it seems to speak.
    NotAmqp(Str),
    /// SASL has not authenticated the client.
    Sasl(Box<SaslFailure>),
    /// The peer did not open the connection within the open time-out.
    OpenTimedOut,
    /// The peer sent no octets within the open time-out. It may speak TLS or another protocol.
    NoAnswer,
    /// No frame arrived within the idle time-out [2.4.5].
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

    /// Returns the reason of a transport that could not connect, has ended or has failed.
    pub(crate) fn transport(words: impl Into<Str>) -> Self {
        Self::new(Origin::Transport, None).with_cause(Cause::Transport(words.into()))
    }

    /// Returns the reason of a peer whose octets are not AMQP.
    pub(crate) fn not_amqp(words: impl Into<Str>) -> Self {
        Self::new(Origin::Transport, None).with_cause(Cause::NotAmqp(words.into()))
    }

    /// Returns the reason of a close by this end before all sent messages were written.
    pub(crate) fn unwritten() -> Self {
        let words = format_args!("the connection was closed before all sent messages were written");
        Self::local(Some(AmqpError::described(Condition::ResourceLimitExceeded, words)))
    }

    /// Returns the reason of a failed SASL dialogue: the server refused, or this end gave up.
    pub(crate) fn sasl(failure: SaslFailure) -> Self {
        let origin = if failure.code().is_some() { Origin::Remote } else { Origin::Local };
        let condition = match failure.is_system_error() {
            true => Condition::InternalError,
            false => Condition::UnauthorizedAccess,
        };
        let error = AmqpError::described(condition, format_args!("{failure}"));
        Self::new(origin, Some(error)).with_cause(Cause::Sasl(Box::new(failure)))
    }

    #[must_use]
    pub(crate) fn with_cause(mut self, cause: impl Into<Option<Cause>>) -> Self {
        self.cause = cause.into();
        self
    }

    /// Returns `true` if something was wrong: there is an error, or the transport failed.
    pub fn is_failure(&self) -> bool {
        self.error.is_some() || self.origin == Origin::Transport
    }

    /// Returns the reason without the error's info, for the many links of an ended session and the sessions
    /// of an ended connection.
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
            Self::Transport(words) | Self::NotAmqp(words) => Escaped::new(words).fmt(f),
            Self::Sasl(failure) => write!(f, "{failure}"),
            Self::OpenTimedOut => f.write_str("timed out waiting for the peer's open"),
            Self::NoAnswer => {
                f.write_str("timed out waiting for the peer's open: the peer sent nothing; it may expect TLS")
            }
            Self::IdleTimedOut => f.write_str("timed out: no frame arrived within the idle time-out"),
        }
    }
}
