//! [`Error`]: what can go wrong, and who ended it.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::address::AddressError;
use super::ended::Ended;
use crate::codec::DecodeError;
use crate::handler::{Failure, Scope};
use crate::machine::sasl::BadCredential;
use crate::machine::{
    FlowError, LinkError, Origin, ReadError, SendError, SessionError, SettleError, StaleKey,
};
use crate::policy::RequestError;
use crate::types::{Fields, Str};
use crate::wire::{Condition, Outcome};

/// What comes of most calls of an adapter.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done.
///
/// What has ended says who ended it and why: see [`origin`](Self::origin), [`condition`](Self::condition),
/// [`description`](Self::description) and [`info`](Self::info). All else was refused by this end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The URL does not say where to connect to.
    Address(AddressError),
    /// The user's name or password cannot be sent.
    Credential(BadCredential),
    /// There is no transport: it was not reached, or not in time.
    Io(Arc<io::Error>),
    /// The connection is over, and all on it.
    Connection(Ended),
    /// The session is over, and its links.
    Session(Ended),
    /// The link is over, or detached.
    Link(Ended),
    /// The link ended before the outcome of the delivery was known: the peer may have it, or not.
    Lost(Ended),
    /// The receiver has settled the delivery without an outcome, and the link has no default for that (T-DISP-08).
    Undecided,
    /// The sender has given up the message that is being read (T-XFER-13).
    Aborted,
    /// It has taken longer than it may.
    TimedOut,
    /// What it is about is gone: the peer has withdrawn it, or it has ended.
    Gone,
    /// The request has another outcome than that it is accepted: no answer will come.
    NotAccepted(Box<Outcome>),
    /// The request, or the answer, cannot be sent.
    Request(RequestError),
    /// The session is not begun, accepted or ended.
    Begin(SessionError),
    /// The link is not attached, accepted or detached.
    Attach(LinkError),
    /// The message is not sent.
    Send(SendError),
    /// The delivery is not settled, or its state not told.
    Settle(SettleError),
    /// The delivery cannot be read.
    Read(ReadError),
    /// Credit is not granted.
    Credit(FlowError),
    /// What came is not a message of the standard's format.
    Message(DecodeError),
}

impl Error {
    /// How the connection, session or link ended.
    pub fn ended(&self) -> Option<&Ended> {
        match self {
            Self::Connection(ended) | Self::Session(ended) | Self::Link(ended) | Self::Lost(ended) => {
                Some(ended)
            }
            _ => None,
        }
    }

    /// Who ended it; `None` if nothing has ended, and this end refused the call.
    pub fn origin(&self) -> Option<Origin> {
        self.ended().map(Ended::origin)
    }

    /// Whether the peer has ended it.
    pub fn is_remote(&self) -> bool {
        self.origin() == Some(Origin::Remote)
    }

    /// What was wrong, if it was told: the condition.
    pub fn condition(&self) -> Option<&Condition> {
        self.ended()?.condition()
    }

    /// What was wrong, if it was told: words for a person.
    pub fn description(&self) -> Option<&Str> {
        self.ended()?.description()
    }

    /// What was wrong, if it was told: what a program may want to know, such as where a redirect leads.
    pub fn info(&self) -> Option<&Fields> {
        self.ended()?.info()
    }

    /// `Ok(None)` where something has ended and nothing was wrong: there is no more to come, which is no error to who
    /// waits for more.
    pub fn or_end<T>(self) -> Result<Option<T>> {
        match self.ended() {
            Some(ended) if ended.error().is_none() => Ok(None),
            _ => Err(self),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => write!(f, "{error}"),
            Self::Credential(error) => write!(f, "{error}"),
            Self::Io(error) => write!(f, "no connection: {error}"),
            Self::Connection(ended) => write!(f, "the connection is over, {ended}"),
            Self::Session(ended) => write!(f, "the session is over, {ended}"),
            Self::Link(ended) => write!(f, "the link is over, {ended}"),
            Self::Lost(ended) => write!(f, "the outcome of the delivery is not known, {ended}"),
            Self::Undecided => f.write_str("the receiver has settled the delivery without an outcome"),
            Self::Aborted => f.write_str("the sender has given the message up"),
            Self::TimedOut => f.write_str("it has taken longer than it may"),
            Self::NotAccepted(outcome) => write!(f, "the request was not accepted: {outcome:?}"),
            Self::Request(error) => write!(f, "{error}"),
            Self::Gone => f.write_str("it is gone"),
            Self::Begin(error) => write!(f, "no session: {error}"),
            Self::Attach(error) => write!(f, "no link: {error}"),
            Self::Send(error) => write!(f, "not sent: {error}"),
            Self::Settle(error) => write!(f, "not settled: {error}"),
            Self::Read(error) => write!(f, "not read: {error}"),
            Self::Credit(error) => write!(f, "no credit granted: {error}"),
            Self::Message(error) => write!(f, "not a message: {error}"),
        }
    }
}

impl std::error::Error for Error {
    /// What is below what the text tells already.
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
    ReadError => Read;
    FlowError => Credit;
    DecodeError => Message;
}

impl From<Failure> for Error {
    fn from(Failure { scope, reason, .. }: Failure) -> Self {
        match scope {
            Scope::Connection(_) => Self::Connection(Ended::new(reason, None)),
            Scope::Session(_) => Self::Session(Ended::new(reason, None)),
            Scope::Link(_) => Self::Link(Ended::new(reason, None)),
            Scope::Listener(_) => io::Error::other(reason).into(),
        }
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

    use super::{Ended, Error};
    use crate::machine::{Origin, Reason};
    use crate::wire::{self, Condition};

    fn ended(origin: Origin, error: Option<wire::Error>) -> Error {
        let broken = Arc::new(io::Error::other("cable"));
        Error::Connection(Ended::new(Reason { origin, error }, Some(broken)))
    }

    #[test]
    fn only_what_was_wrong_is_an_error_to_who_waits() {
        assert!(matches!(ended(Origin::Remote, None).or_end::<()>(), Ok(None)));
        let wrong = ended(Origin::Remote, Some(wire::Error::new(Condition::NotFound)));
        assert_eq!(wrong.clone().or_end::<()>().unwrap_err().condition(), wrong.condition());
        assert!(matches!(Error::Gone.or_end::<()>(), Err(Error::Gone)));
    }

    #[test]
    fn what_the_transport_said_is_told_where_it_was_the_transport() {
        assert!(ended(Origin::Transport, None).to_string().ends_with("(cable)"));
        assert!(ended(Origin::Remote, None).ended().unwrap().io().is_none());
    }
}
