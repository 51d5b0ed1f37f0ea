//! [`ErrorKind`]: a classification of errors.

use std::io;

use super::close_reason::CloseReason;
use super::error::Error;
#[cfg(feature = "tls")]
use super::tls::TlsFailure;
#[cfg(feature = "websocket")]
use super::websocket_error::WebSocketError;
use crate::machine::{Cause, FlowError, Origin, SendError};
use crate::policy::{Prospect, RequestError, Scope, is_transient};
use crate::wire::{Condition, Outcome};

/// A kind of error, by the reaction that a program or a person can take: see [`Error::kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A URL, a credential, a TLS setting or another argument is wrong. Nothing was sent.
    InvalidInput,
    /// The host was not reached, or the transport ended or failed.
    Transport,
    /// TLS failed: a certificate is not trusted, or one end does not speak TLS.
    Tls,
    /// The peer does not speak AMQP 1.0, or has broken a rule or a limit of this end.
    Protocol,
    /// SASL did not authenticate the client: [`Error::sasl`] has the reason.
    Authentication,
    /// The peer does not allow the operation: `unauthorized-access` or `not-allowed`.
    NotPermitted,
    /// The peer does not have the node, or no longer: `not-found` or `resource-deleted`.
    NotFound,
    /// The peer did not answer in time.
    TimedOut,
    /// The connection, session or link was closed without an error.
    Closed,
    /// The peer has sent another error: [`Error::condition`] returns it.
    Peer,
    /// A message was sent, or a commit was asked for, and its outcome is unknown: the peer may have processed it or not.
    OutcomeUnknown,
    /// A message has an outcome other than accepted.
    NotAccepted,
    /// A transaction was rolled back.
    RolledBack,
    /// The connection, session, link or delivery is not in a state that allows the call.
    State,
    /// The octets of a message are malformed, or the sender has aborted it.
    Message,
}

impl Error {
    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Address(_)
            | Self::Addresses(_)
            | Self::Credential(_)
            | Self::Request(RequestError::NoAddress) => ErrorKind::InvalidInput,
            Self::Io(error) => io_kind(error),
            Self::Connection(ended) | Self::Session(ended) | Self::Link(ended) | Self::Interrupted(ended) => {
                ended_kind(ended)
            }
            Self::Lost(_) | Self::InDoubt(_) | Self::Undecided | Self::Unconfirmed => {
                ErrorKind::OutcomeUnknown
            }
            Self::RolledBack(_) => ErrorKind::RolledBack,
            Self::Undeclared(_) => ErrorKind::Peer,
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
            | Self::Transaction(_)
            | Self::Read(_)
            | Self::Credit(_) => ErrorKind::State,
        }
    }

    /// Returns `true` if the same attempt may succeed later without any change, over a new connection if the
    /// old one is over.
    ///
    /// So a service reconnects after a [`Backoff`](crate::policy::Backoff) if the result is `true`, and stops
    /// otherwise. A failed transport, a timeout, the SASL outcome *sys-temp* and most closes by a peer are
    /// transient; a wrong password, an untrusted certificate and a missing node are not.
    /// [`classify`](crate::policy::classify) decides about ends, and
    /// [`is_transient`](crate::policy::is_transient) lists the conditions.
    ///
    /// ```
    /// use std::io;
    ///
    /// use amqp_proto::client::{Address, Error};
    ///
    /// let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    /// assert!(Error::from(refused).is_transient());
    /// let wrong = "http://localhost".parse::<Address>().unwrap_err();
    /// assert!(!Error::from(wrong).is_transient());
    /// ```
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Io(error) => is_transient_io(error),
            // An unknown outcome may be due to the end of a link; then fewer conditions would be transient.
            Self::Connection(ended) | Self::Lost(ended) => ended.is_transient(Scope::Connection),
            Self::Session(ended) | Self::Link(ended) => ended.is_transient(Scope::Link),
            Self::TimedOut | Self::Unconfirmed | Self::Interrupted(_) | Self::Request(RequestError::Full) => {
                true
            }
            Self::NotAccepted(outcome) => is_transient_outcome(outcome),
            Self::RolledBack(error) | Self::Undeclared(error) => is_transient(Scope::Delivery, error),
            Self::Send(error) => matches!(
                error,
                SendError::NoCredit | SendError::WindowClosed | SendError::Full | SendError::Unsettled(_)
            ),
            Self::Credit(error) => *error == FlowError::Full,
            _ => false,
        }
    }

    /// Returns the result of [`is_transient`](Self::is_transient), for [`Redial`](crate::policy::Redial).
    pub fn prospect(&self) -> Prospect {
        Prospect::passing(self.is_transient())
    }
}

fn io_kind(error: &io::Error) -> ErrorKind {
    #[cfg(feature = "tls")]
    if let Some(failure) = TlsFailure::of(error) {
        return if failure.is_ours() { ErrorKind::InvalidInput } else { ErrorKind::Tls };
    }
    #[cfg(feature = "websocket")]
    if let Some(error) = WebSocketError::of(error) {
        return error.kind();
    }
    match error.kind() {
        io::ErrorKind::TimedOut => ErrorKind::TimedOut,
        io::ErrorKind::InvalidInput => ErrorKind::InvalidInput,
        _ => ErrorKind::Transport,
    }
}

fn is_transient_io(error: &io::Error) -> bool {
    // TLS uses these kinds for bad certificates and for peers that do not speak TLS, and a WebSocket for broken rules.
    !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}

fn ended_kind(ended: &CloseReason) -> ErrorKind {
    #[cfg(feature = "websocket")]
    if let Some(error) = ended.websocket() {
        return error.kind();
    }
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

fn is_transient_outcome(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Rejected(rejected) => {
            rejected.error.as_deref().is_some_and(|error| is_transient(Scope::Delivery, error))
        }
        Outcome::Released | Outcome::Modified(_) => true,
        _ => false,
    }
}
