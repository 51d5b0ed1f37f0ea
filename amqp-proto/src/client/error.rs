//! [`Error`]: the error of an adapter's call.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::address_error::AddressError;
use super::addresses::AddressesError;
use super::close_reason::CloseReason;
#[cfg(feature = "websocket")]
use super::websocket_error::WebSocketError;
use crate::codec::DecodeError;
use crate::config::Ungranted;
use crate::handler::{Failure, FailureScope};
use crate::machine::{
    FlowError, LinkError, Origin, ReadError, SendError, SessionError, SettleError, StaleKey, TransactionError,
};
use crate::policy::{Redirect, RequestError};
use crate::sasl::BadCredential;
use crate::sasl::SaslFailure;
use crate::types::{Fields, Str};
use crate::wire::{AmqpError, Condition, NotAccepted, Outcome};

/// The result of an adapter's call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of an adapter's call.
///
/// [`kind`](Self::kind) classifies the error, and [`is_transient`](Self::is_transient) says whether to try
/// again. If a connection, session or link has ended, [`origin`](Self::origin) returns the end that ended it,
/// and [`condition`](Self::condition), [`description`](Self::description) and [`info`](Self::info) return the
/// peer's error. All other errors come from this end.
///
/// The text is for people: it names the peer's URL, without user and password, and gives advice for likely
/// mistakes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The URL is not a broker's URL.
    Address(AddressError),
    /// An address of a list is not a broker's URL.
    Addresses(AddressesError),
    /// The user name or the password cannot be sent.
    Credential(BadCredential),
    /// A system call or TLS failed: the host was not reached, a certificate is not trusted, an address is in
    /// use.
    Io(Arc<io::Error>),
    /// The connection is over, with everything on it.
    Connection(CloseReason),
    /// The session is over, with its links.
    Session(CloseReason),
    /// The link is closed or detached.
    Link(CloseReason),
    /// The link ended before the delivery had an outcome: the peer may have processed the message or not.
    Lost(CloseReason),
    /// The connection was lost and is opened again: the call cannot be made now, and has changed nothing.
    Interrupted(CloseReason),
    /// The receiver has settled the delivery without an outcome, and the link has no default outcome [2.7.6].
    Undecided,
    /// The sender has aborted the message that is being read [2.6.14].
    Aborted,
    /// The peer did not answer in time, or no message arrived within the call's timeout.
    TimedOut,
    /// The message was sent, and no outcome arrived in time: the peer may have processed the message or not.
    Unconfirmed,
    /// The session, link or delivery no longer exists: the peer has withdrawn it, or it has ended.
    Gone,
    /// The message has an outcome other than accepted. A request gets no answer then.
    NotAccepted(Box<Outcome>),
    /// The transaction is rolled back: a part of it has failed, the coordinator has refused the commit, or the control
    /// link ended before.
    RolledBack(Box<AmqpError>),
    /// The control link ended, or the time was over, after the commit was asked for and before the answer: the
    /// transaction may be committed or rolled back. A program finds out which, or treats both alike; it must not simply
    /// try again.
    InDoubt(CloseReason),
    /// The coordinator has refused to declare a transaction.
    Undeclared(Box<AmqpError>),
    /// The transaction cannot be declared or discharged.
    Transaction(TransactionError),
    /// The request or the answer cannot be made.
    Request(RequestError),
    /// The session cannot be begun, accepted or ended.
    Begin(SessionError),
    /// The link cannot be attached, accepted or detached.
    Attach(LinkError),
    /// The peer has attached the link without the parts that the builder requires.
    Ungranted(Arc<[Ungranted]>),
    /// The message cannot be sent.
    Send(SendError),
    /// The delivery cannot be settled, or its state not changed.
    Settle(SettleError),
    /// The delivery cannot be read.
    Read(ReadError),
    /// The credit cannot be granted, or the properties of the link's state cannot be sent.
    Credit(FlowError),
    /// The octets are not a message of the standard's format.
    Message(DecodeError),
}

impl Error {
    /// Returns the end of the connection, session or link, if that is the error.
    pub fn ended(&self) -> Option<&CloseReason> {
        match self {
            Self::Connection(ended)
            | Self::Session(ended)
            | Self::Link(ended)
            | Self::Lost(ended)
            | Self::InDoubt(ended)
            | Self::Interrupted(ended) => Some(ended),
            _ => None,
        }
    }

    /// Returns the end that ended the connection, session or link; `None` if nothing has ended.
    pub fn origin(&self) -> Option<Origin> {
        self.ended().map(CloseReason::origin)
    }

    /// Returns `true` if the peer has ended the connection, session or link.
    pub fn is_remote(&self) -> bool {
        self.origin() == Some(Origin::Remote)
    }

    /// Returns the condition of the error in the close, end or detach, if there was one.
    pub fn condition(&self) -> Option<&Condition> {
        self.ended()?.condition()
    }

    /// Returns the description of the error in the close, end or detach, a text for people.
    pub fn description(&self) -> Option<&Str> {
        self.ended()?.description()
    }

    /// Returns the info of the error in the close, end or detach, for programs, such as the address of a
    /// redirect.
    pub fn info(&self) -> Option<&Fields> {
        self.ended()?.info()
    }

    /// Returns the place to which the peer has redirected the connection or the link; `None` if the error is no
    /// redirect, or names no host.
    pub fn redirect(&self) -> Option<Redirect> {
        Redirect::read(self.condition()?, self.info()?)
    }

    /// Returns the SASL failure, if SASL did not authenticate the client.
    pub fn sasl(&self) -> Option<&SaslFailure> {
        self.ended()?.sasl()
    }

    /// Returns the error of the WebSocket, if one could not be opened, or has ended the connection.
    #[cfg(feature = "websocket")]
    pub fn websocket(&self) -> Option<&WebSocketError> {
        match self {
            Self::Io(error) => WebSocketError::of(error),
            _ => self.ended()?.websocket(),
        }
    }

    /// Returns `Ok(None)` if the connection, session or link has ended and nothing was wrong.
    ///
    /// A caller that waits for the next message or link treats that as the end, not as an error.
    ///
    /// # Errors
    ///
    /// The error itself in all other cases.
    pub fn or_end<T>(self) -> Result<Option<T>> {
        match self.ended() {
            Some(ended) if !ended.is_failure() => Ok(None),
            _ => Err(self),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => write!(f, "{error}"),
            Self::Addresses(error) => write!(f, "{error}"),
            Self::Credential(error) => write!(f, "{error}"),
            // The text of a system error does not say that it is one.
            Self::Io(error) if error.get_ref().is_none() => write!(f, "I/O error: {error}"),
            Self::Io(error) => write!(f, "{error}"),
            Self::Connection(ended) => write!(f, "{}{ended}", subject(ended, "the connection was ")),
            Self::Session(ended) => write!(f, "{}{ended}", subject(ended, "the session was ")),
            Self::Link(ended) => write!(f, "{}{ended}", subject(ended, "the link was ")),
            Self::Lost(ended) => write!(f, "the outcome of the delivery is unknown: {ended}"),
            Self::Interrupted(ended) => write!(f, "the connection is interrupted: {ended}"),
            Self::Undecided => f.write_str("the receiver settled the delivery without an outcome"),
            Self::Aborted => f.write_str("the sender aborted the message"),
            Self::TimedOut => f.write_str("timed out waiting for the peer"),
            Self::Unconfirmed => f.write_str("timed out waiting for the outcome of a sent message"),
            Self::NotAccepted(outcome) => write!(f, "the message was not accepted: {outcome}"),
            Self::RolledBack(error) => write!(f, "the transaction was rolled back: {error}"),
            Self::InDoubt(ended) => write!(f, "the transaction may be committed or rolled back: {ended}"),
            Self::Undeclared(error) => write!(f, "the coordinator has declared no transaction: {error}"),
            Self::Transaction(error) => write!(f, "cannot use the transaction: {error}"),
            Self::Request(error) => write!(f, "cannot send the request: {error}"),
            Self::Gone => f.write_str("the session, link or delivery no longer exists"),
            Self::Begin(error) => write!(f, "cannot use the session: {error}"),
            Self::Attach(error) => write!(f, "cannot use the link: {error}"),
            Self::Ungranted(missing) => write_ungranted(missing, f),
            Self::Send(error) => write!(f, "cannot send the message: {error}"),
            Self::Settle(error) => write!(f, "cannot settle the delivery: {error}"),
            Self::Read(error) => write!(f, "cannot read the delivery: {error}"),
            Self::Credit(error @ (FlowError::Full | FlowError::TooLarge(_))) => {
                write!(f, "cannot send properties of the link: {error}")
            }
            Self::Credit(error) => write!(f, "cannot grant credit: {error}"),
            Self::Message(error) => write!(f, "malformed message: {error}"),
        }
    }
}

/// Returns the words before the text of an end, if that text does not stand alone.
fn subject(ended: &CloseReason, words: &'static str) -> &'static str {
    if ended.cause().is_some() || ended.origin() == Origin::Transport { "" } else { words }
}

fn write_ungranted(missing: &[Ungranted], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("the peer does not grant")?;
    let mut separator = " ";
    missing.iter().try_for_each(|missing| write!(f, "{}{missing}", std::mem::replace(&mut separator, ", ")))
}

impl std::error::Error for Error {
    /// Returns the cause below the one that is part of the text.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            _ => self.ended()?.io()?.source(),
        }
    }
}

macro_rules! from {
    ($($error:ty => $variant:ident;)*) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}

from! {
    AddressError => Address;
    BadCredential => Credential;
    RequestError => Request;
    SessionError => Begin;
    LinkError => Attach;
    SendError => Send;
    SettleError => Settle;
    TransactionError => Transaction;
    ReadError => Read;
    FlowError => Credit;
    DecodeError => Message;
}

/// The error of a single address is [`Error::Address`].
impl From<AddressesError> for Error {
    fn from(error: AddressesError) -> Self {
        if error.is_alone() { error.error().into() } else { Self::Addresses(error) }
    }
}

impl From<Failure> for Error {
    fn from(Failure { scope, reason, .. }: Failure) -> Self {
        match scope {
            FailureScope::Connection(_) => Self::Connection(CloseReason::new(reason, None)),
            FailureScope::Session(_) => Self::Session(CloseReason::new(reason, None)),
            FailureScope::Link(_) => Self::Link(CloseReason::new(reason, None)),
            FailureScope::Transaction(_) => {
                let error = reason.error.unwrap_or_else(|| Condition::TransactionRollback.into());
                Self::RolledBack(Box::new(error))
            }
            FailureScope::InDoubt(_) => Self::InDoubt(CloseReason::new(reason, None)),
            FailureScope::Listener(_) => io::Error::other(reason).into(),
        }
    }
}

impl From<NotAccepted> for Error {
    fn from(NotAccepted(outcome): NotAccepted) -> Self {
        Self::NotAccepted(outcome)
    }
}

impl From<StaleKey> for Error {
    fn from(_: StaleKey) -> Self {
        Self::Gone
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::{CloseReason, Error};
    use crate::machine::{Origin, Reason};
    use crate::wire::{self, Condition};

    fn ended(origin: Origin, error: Option<wire::AmqpError>) -> Error {
        let broken = Arc::new(io::Error::other("cable"));
        Error::Connection(CloseReason::new(Reason { origin, error, cause: None }, Some(broken)))
    }

    #[test]
    fn only_an_end_with_an_error_is_an_error() {
        assert!(matches!(ended(Origin::Remote, None).or_end::<()>(), Ok(None)));
        let wrong = ended(Origin::Remote, Some(wire::AmqpError::new(Condition::NotFound)));
        assert_eq!(wrong.clone().or_end::<()>().unwrap_err().condition(), wrong.condition());
        assert!(matches!(Error::Gone.or_end::<()>(), Err(Error::Gone)));
    }

    #[test]
    fn the_error_of_the_transport_is_the_reason_if_the_transport_failed() {
        assert_eq!(ended(Origin::Transport, None).to_string(), "the transport failed: cable");
        assert!(ended(Origin::Remote, None).ended().unwrap().io().is_none());
    }
}
