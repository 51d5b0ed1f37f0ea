//! [`ErrorKind`]: what an error calls for.

use std::io;

use super::close_reason::CloseReason;
use super::error::Error;
#[cfg(feature = "tls")]
use super::tls::TlsFailure;
use crate::machine::{Cause, Origin, SendError};
use crate::policy::{RequestError, Scope, is_transient};
use crate::wire::{Condition, Outcome};

/// A kind of error, by what a program or a person can do about it: see [`Error::kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A URL, a credential, a TLS setting or another argument cannot be used. Nothing was sent.
    InvalidInput,
    /// The host was not reached, or the transport ended or broke.
    Transport,
    /// TLS was not agreed on: a certificate is not trusted, or one end does not speak TLS.
    Tls,
    /// The peer does not speak AMQP 1.0, or it broke a rule or a limit of this end.
    Protocol,
    /// SASL did not authenticate the client: [`Error::sasl`] tells why.
    Authentication,
    /// The peer does not allow it: `unauthorized-access` or `not-allowed`.
    NotPermitted,
    /// The peer does not have the node, or not any more: `not-found` or `resource-deleted`.
    NotFound,
    /// The peer did not answer in time.
    TimedOut,
    /// The connection, session or link was closed, and nothing was wrong.
    Closed,
    /// The peer gave another error: [`Error::condition`] tells which.
    Peer,
    /// A message was sent, and its outcome is not known: the peer may have it, or not.
    OutcomeUnknown,
    /// A message was answered with another outcome than accepted.
    NotAccepted,
    /// The call cannot be carried out in the present state of the connection, session, link or delivery.
    State,
    /// The octets of a message are malformed, or the sender has aborted it.
    Message,
}

impl Error {
    /// Returns the kind of the error: what it calls for.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Address(_) | Self::Credential(_) | Self::Request(RequestError::NoAddress) => {
                ErrorKind::InvalidInput
            }
            Self::Io(error) => io_kind(error),
            Self::Connection(ended) | Self::Session(ended) | Self::Link(ended) => ended_kind(ended),
            Self::Lost(_) | Self::Undecided | Self::Unconfirmed => ErrorKind::OutcomeUnknown,
            Self::Aborted | Self::Message(_) => ErrorKind::Message,
            Self::TimedOut => ErrorKind::TimedOut,
            Self::NotAccepted(_) => ErrorKind::NotAccepted,
            Self::Send(SendError::TooLarge(_) | SendError::Unencodable(_)) => ErrorKind::InvalidInput,
            Self::Gone
            | Self::Request(_)
            | Self::Begin(_)
            | Self::Attach(_)
            | Self::Ungranted(_)
            | Self::Send(_)
            | Self::Settle(_)
            | Self::Read(_)
            | Self::Credit(_) => ErrorKind::State,
        }
    }

    /// Returns whether the same attempt may succeed later, although nobody changes anything: after a while, over a new
    /// connection where the old one is over.
    ///
    /// So a service connects again, after a [`Backoff`](crate::policy::Backoff), where this is true, and ends where it
    /// is not. A broken transport, a time-out, the SASL outcome *sys-temp* and most closes by a peer pass; a wrong
    /// password, an untrusted certificate and a missing node do not. [`is_transient`](crate::policy::is_transient) has
    /// the conditions.
    ///
    /// ```
    /// use std::io;
    ///
    /// use amqp_proto::client::{Address, Error};
    ///
    /// assert!(Error::from(io::Error::from(io::ErrorKind::ConnectionRefused)).is_transient());
    /// assert!(!Error::from("http://localhost".parse::<Address>().unwrap_err()).is_transient());
    /// ```
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Io(error) => is_transient_io(error),
            // An unknown outcome may have been that of a link, of which the conditions say less.
            Self::Connection(ended) | Self::Lost(ended) => is_transient_end(ended, Scope::Connection),
            Self::Session(ended) | Self::Link(ended) => is_transient_end(ended, Scope::Link),
            Self::TimedOut | Self::Unconfirmed | Self::Request(RequestError::Full) => true,
            Self::NotAccepted(outcome) => is_transient_outcome(outcome),
            Self::Send(error) => matches!(
                error,
                SendError::NoCredit | SendError::WindowClosed | SendError::Full | SendError::Unsettled(_)
            ),
            _ => false,
        }
    }
}

fn io_kind(error: &io::Error) -> ErrorKind {
    #[cfg(feature = "tls")]
    if let Some(failure) = TlsFailure::of(error) {
        return if failure.is_ours() { ErrorKind::InvalidInput } else { ErrorKind::Tls };
    }
    match error.kind() {
        io::ErrorKind::TimedOut => ErrorKind::TimedOut,
        io::ErrorKind::InvalidInput => ErrorKind::InvalidInput,
        _ => ErrorKind::Transport,
    }
}

fn is_transient_io(error: &io::Error) -> bool {
    // So TLS tells of certificates, and of peers that do not speak it.
    !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}

fn ended_kind(ended: &CloseReason) -> ErrorKind {
    match ended.cause() {
        Some(Cause::Transport(_)) => return ErrorKind::Transport,
        Some(Cause::NotAmqp(_)) => return ErrorKind::Protocol,
        Some(Cause::Sasl(_)) => return ErrorKind::Authentication,
        Some(Cause::OpenTimedOut | Cause::NoAnswer | Cause::IdleTimedOut) => return ErrorKind::TimedOut,
        None => {}
    }
    match (ended.origin(), ended.condition()) {
        (Origin::Transport, _) => ErrorKind::Transport,
        (_, None) => ErrorKind::Closed,
        (Origin::Local, Some(_)) => ErrorKind::Protocol,
        (_, Some(Condition::UnauthorizedAccess | Condition::NotAllowed)) => ErrorKind::NotPermitted,
        (_, Some(Condition::NotFound | Condition::ResourceDeleted)) => ErrorKind::NotFound,
        (_, Some(_)) => ErrorKind::Peer,
    }
}

fn is_transient_end(ended: &CloseReason, scope: Scope) -> bool {
    match (ended.cause(), ended.error()) {
        (Some(Cause::Transport(_) | Cause::OpenTimedOut | Cause::NoAnswer | Cause::IdleTimedOut), _) => true,
        (Some(Cause::NotAmqp(_)), _) => false,
        (Some(Cause::Sasl(failure)), _) => failure.is_transient(),
        (None, Some(error)) => is_transient(scope, error),
        // This end has closed it on purpose; the peer may take it up again.
        (None, None) => ended.origin() != Origin::Local,
    }
}

fn is_transient_outcome(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Rejected(rejected) => {
            rejected.error.as_deref().is_some_and(|error| is_transient(Scope::Delivery, error))
        }
        Outcome::Released | Outcome::Modified(_) => true,
        _ => false,
    }
}
