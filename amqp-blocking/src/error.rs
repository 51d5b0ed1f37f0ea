//! [`Error`]: what can go wrong, and who ended it.

use std::fmt;
use std::io;
use std::sync::Arc;

use amqp_proto::codec::DecodeError;
use amqp_proto::machine::sasl::BadCredential;
use amqp_proto::machine::{FlowError, LinkError, SendError, SessionError, SettleError, StaleKey};
use amqp_proto::policy::RequestError;
use amqp_proto::types::{Fields, Str};
use amqp_proto::wire::{self, Condition, Outcome};
use amqp_proto::{Origin, Reason};

use crate::address::AddressError;

/// What comes of most calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done.
///
/// What has ended says who ended it and why: see [`origin`](Self::origin), [`condition`](Self::condition),
/// [`description`](Self::description) and [`info`](Self::info). All else was refused by this end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The URL leads nowhere.
    Address(AddressError),
    /// The user's name or password cannot be sent.
    Credential(BadCredential),
    /// There is no transport: it cannot be made.
    Io(Arc<io::Error>),
    /// The connection is over, and all on it.
    Connection(Ended),
    /// The session is over, and its links.
    Session(Ended),
    /// The link is over, or detached.
    Link(Ended),
    /// The link ended before the outcome of the delivery was known: the peer may have it, or not.
    Lost(Ended),
    /// The delivery was settled and its outcome not told, nor has the link a default for that.
    Undecided,
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
    /// The delivery is not settled.
    Settle(SettleError),
    /// Credit is not granted.
    Credit(FlowError),
    /// What came is not a message.
    Message(DecodeError),
}

impl Error {
    /// Who ended it; `None` if nothing has ended.
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

    /// What was wrong, if it was told: what a program may want to know.
    pub fn info(&self) -> Option<&Fields> {
        self.ended()?.info()
    }

    /// How the connection, session or link ended.
    pub fn ended(&self) -> Option<&Ended> {
        match self {
            Self::Connection(ended) | Self::Session(ended) | Self::Link(ended) | Self::Lost(ended) => {
                Some(ended)
            }
            _ => None,
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
            Self::Undecided => f.write_str("the delivery was settled and its outcome not told"),
            Self::Gone => f.write_str("it is gone"),
            Self::TimedOut => f.write_str("it has taken longer than it may"),
            Self::NotAccepted(outcome) => write!(f, "the request was not accepted: {outcome:?}"),
            Self::Request(error) => write!(f, "{error}"),
            Self::Begin(error) => write!(f, "no session: {error}"),
            Self::Attach(error) => write!(f, "no link: {error}"),
            Self::Send(error) => write!(f, "not sent: {error}"),
            Self::Settle(error) => write!(f, "not settled: {error}"),
            Self::Credit(error) => write!(f, "no credit granted: {error}"),
            Self::Message(error) => write!(f, "not a message: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            _ => self.ended()?.io().map(|error| error as _),
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
    FlowError => Credit;
    DecodeError => Message;
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

/// Nothing, where something ended without an error.
pub(crate) fn unless_clean<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.ended().is_some_and(|ended| ended.error().is_none()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How a connection, a session or a link ended. Cheap to clone.
#[derive(Clone)]
pub struct Ended(Arc<Story>);

struct Story {
    reason: Reason,
    io: Option<Arc<io::Error>>,
}

impl Ended {
    pub(crate) fn new(reason: Reason, io: Option<Arc<io::Error>>) -> Self {
        Self(Arc::new(Story { reason, io }))
    }

    /// Who ended it.
    pub fn origin(&self) -> Origin {
        self.0.reason.origin
    }

    /// What was wrong, if anything was.
    pub fn error(&self) -> Option<&wire::Error> {
        self.0.reason.error.as_ref()
    }

    /// What was wrong: the condition.
    pub fn condition(&self) -> Option<&Condition> {
        Some(&self.error()?.condition)
    }

    /// What was wrong: words for a person.
    pub fn description(&self) -> Option<&Str> {
        self.error()?.description.as_ref()
    }

    /// What was wrong: what a program may want to know.
    pub fn info(&self) -> Option<&Fields> {
        Some(&self.error()?.info)
    }

    /// What the operating system said, where the transport broke.
    pub fn io(&self) -> Option<&io::Error> {
        self.0.io.as_deref()
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.reason)?;
        self.io().map_or(Ok(()), |error| write!(f, " ({error})"))
    }
}
