//! [`Error`]: what can go wrong, and who ended it.

use std::fmt;
use std::io;
use std::sync::Arc;

use amqp_proto::codec::DecodeError;
use amqp_proto::machine::sasl::BadCredential;
use amqp_proto::machine::{FlowError, LinkError, ReadError, SendError, SessionError, SettleError};
use amqp_proto::policy::RequestError;
use amqp_proto::types::{Fields, Str};
use amqp_proto::wire::{Condition, Outcome};
use amqp_proto::{Origin, Reason};

use crate::address::AddressError;

/// What comes of most calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done.
///
/// What has ended says who ended it and why: see [`origin`](Self::origin), [`condition`](Self::condition),
/// [`description`](Self::description) and [`info`](Self::info). The rest are refusals of this end: nothing was sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The URL does not say where to connect to.
    Address(AddressError),
    /// A user name or password that cannot be used.
    Credential(BadCredential),
    /// There is no transport: it was not reached, or not in time.
    Io(Arc<io::Error>),
    /// The connection is over.
    Connection(Ended),
    /// The session is over.
    Session(Ended),
    /// The link is over, or detached.
    Link(Ended),
    /// The link ended before the outcome of the delivery was known: the peer may have it, or not.
    Lost(Ended),
    /// The receiver has settled the delivery without an outcome, and the link has no default for that (T-DISP-08).
    Undecided,
    /// The sender has given up the message that is being read (T-XFER-13).
    Aborted,
    /// The request has another outcome than that it is accepted: no answer will come.
    NotAccepted(Box<Outcome>),
    /// The request, or the answer, cannot be sent.
    Request(RequestError),
    /// The session is not begun.
    Begin(SessionError),
    /// The link is not attached or detached.
    Attach(LinkError),
    /// The message is not sent.
    Send(SendError),
    /// The delivery is not settled, or its state not told.
    Settle(SettleError),
    /// The delivery cannot be read.
    Read(ReadError),
    /// Credit is not granted.
    Credit(FlowError),
    /// The message is not one of the standard's format.
    Message(DecodeError),
}

impl Error {
    /// Who ended it; `None` if this end refused the call and nothing has ended.
    pub fn origin(&self) -> Option<Origin> {
        self.ended().map(Ended::origin)
    }

    /// Whether the peer ended it.
    pub fn is_remote(&self) -> bool {
        self.origin() == Some(Origin::Remote)
    }

    /// What kind of error ended it, if one did.
    pub fn condition(&self) -> Option<&Condition> {
        self.ended()?.condition()
    }

    /// Words for a person, from whoever ended it.
    pub fn description(&self) -> Option<&Str> {
        self.ended()?.description()
    }

    /// What a program may want to know, such as where a redirect leads.
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
            Self::Address(error) => fmt::Display::fmt(error, f),
            Self::Credential(error) => fmt::Display::fmt(error, f),
            Self::Io(error) => write!(f, "no connection: {error}"),
            Self::Connection(ended) => write!(f, "the connection is over, {ended}"),
            Self::Session(ended) => write!(f, "the session is over, {ended}"),
            Self::Link(ended) => write!(f, "the link is over, {ended}"),
            Self::Lost(ended) => write!(f, "the outcome of the delivery is not known, {ended}"),
            Self::Undecided => f.write_str("the receiver has settled the delivery without an outcome"),
            Self::Aborted => f.write_str("the sender has given the message up"),
            Self::NotAccepted(outcome) => write!(f, "the request was not accepted: {outcome:?}"),
            Self::Request(error) => fmt::Display::fmt(error, f),
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
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(&**error),
            _ => self.ended()?.io().map(|error| error as _),
        }
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident;)*) => {$(
        impl From<$type> for Error {
            fn from(error: $type) -> Self {
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

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// How a connection, a session or a link ended. Cheap to clone.
#[derive(Clone)]
pub struct Ended(Arc<(Reason, Option<Arc<io::Error>>)>);

impl Ended {
    pub(crate) fn new(reason: Reason, io: Option<Arc<io::Error>>) -> Self {
        Self(Arc::new((reason, io)))
    }

    /// Who ended it.
    pub fn origin(&self) -> Origin {
        self.0.0.origin
    }

    /// What was wrong, if anything was.
    pub fn error(&self) -> Option<&amqp_proto::wire::Error> {
        self.0.0.error.as_ref()
    }

    /// What kind of error it was.
    pub fn condition(&self) -> Option<&Condition> {
        Some(&self.error()?.condition)
    }

    /// Words for a person.
    pub fn description(&self) -> Option<&Str> {
        self.error()?.description.as_ref()
    }

    /// What a program may want to know.
    pub fn info(&self) -> Option<&Fields> {
        Some(&self.error()?.info)
    }

    /// What the operating system said, if the transport broke.
    pub fn io(&self) -> Option<&io::Error> {
        self.0.1.as_deref()
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.0, f)?;
        match self.io() {
            Some(error) => write!(f, " ({error})"),
            None => Ok(()),
        }
    }
}
