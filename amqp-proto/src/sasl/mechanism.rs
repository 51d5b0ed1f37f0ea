//! What every mechanism is to the connection: one trait for each end [5.3.2].

use core::fmt;

use crate::types::{Str, Symbol};
use crate::wire::Secret;

/// The client's end of one authentication. A new attempt takes a new value.
///
/// The order of the calls: [`initial_response`](Self::initial_response) once, for the init;
/// [`challenge`](Self::challenge) for each challenge of the server; [`outcome`](Self::outcome) once, when the
/// server has sent the outcome *ok*. Other outcomes are not told. A call out of order, and any after a failure, is
/// answered with a [`Failure`] [5.3.2]: the octets that cause it come from the peer.
///
/// [`ClientProfile::with_mechanism`](super::ClientProfile::with_mechanism) has a client use one of its own.
/// `Debug` is to tell no secret: that of the connection shows it.
pub trait ClientMechanism: fmt::Debug + Send {
    /// Returns the name under which it is offered.
    fn name(&self) -> Symbol;

    /// Returns whether who listens learns by it what the client is known by, be it a password or a token: such a
    /// mechanism is kept off links that are not encrypted (threat E8). True, unless implemented otherwise.
    fn shows_secret(&self) -> bool {
        true
    }

    /// Returns the name of the user, for the words of an error. None, unless implemented otherwise.
    fn user(&self) -> Option<&Str> {
        None
    }

    /// What goes with the init; an empty response is one, `None` is none [5.3.3.2].
    fn initial_response(&mut self) -> Option<Secret>;

    /// Returns the response to a challenge.
    fn challenge(&mut self, challenge: &Secret) -> Result<Secret, Failure>;

    /// The server says *ok*. An error means that it is not to be believed: the client must give the connection up
    /// as if it had failed [5.3.3.5].
    fn outcome(&mut self, additional_data: Option<&Secret>) -> Result<(), Failure>;
}

/// The server's end of one authentication. A new attempt takes a new value.
///
/// The order of the calls: [`init`](Self::init) once, then [`response`](Self::response) after each
/// [`Step::Challenge`], until a step is [`Step::Done`] or [`Step::Failed`]. A call out of order, and any after the
/// end, fails [5.3.2].
pub trait ServerMechanism: fmt::Debug + Send {
    /// Returns the name under which it is offered.
    fn name(&self) -> Symbol;

    /// The client has picked this mechanism.
    fn init(&mut self, initial_response: Option<&Secret>) -> Step;

    /// The client has answered the challenge.
    fn response(&mut self, response: &Secret) -> Step;
}

/// The next step of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Send a challenge.
    Challenge(Secret),
    /// Send the outcome *ok*.
    Done {
        /// Who the client is.
        identity: Identity,
        /// What goes with the outcome.
        additional_data: Option<Secret>,
    },
    /// Send the outcome *auth*. There is no reason: one that reached the peer would tell it which users there are.
    Failed,
}

/// The user that a client has shown to be, and whom it wants to act as.
///
/// The texts have no control characters, but they are the peer's words all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Identity {
    user: Option<Str>,
    acting_as: Option<Str>,
    trace: Option<Str>,
}

impl Identity {
    /// A client that has not said who it is.
    pub const fn anonymous() -> Self {
        Self { user: None, acting_as: None, trace: None }
    }

    /// A client that has shown to be this user.
    pub fn of(user: impl Into<Str>) -> Self {
        Self { user: Some(user.into()), ..Self::anonymous() }
    }

    /// Sets the user that it acts as.
    #[must_use]
    pub fn with_acting_as(mut self, authorization: impl Into<Str>) -> Self {
        self.acting_as = Some(authorization.into());
        self
    }

    /// Sets the trace of an anonymous client.
    #[must_use]
    pub fn with_trace(mut self, trace: impl Into<Str>) -> Self {
        self.trace = Some(trace.into());
        self
    }

    /// Whose credentials they were; none when anonymous.
    pub fn user(&self) -> Option<&Str> {
        self.user.as_ref()
    }

    /// Whose rights the client has: those of the one it acts as, else its own; none when anonymous.
    pub fn authorized_as(&self) -> Option<&Str> {
        self.acting_as.as_ref().or(self.user.as_ref())
    }

    /// Returns the trace that an anonymous client gives of itself, unchecked.
    pub fn trace(&self) -> Option<&Str> {
        self.trace.as_ref()
    }
}

/// Why a client mechanism gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The server sent a challenge or an outcome when it was not its turn.
    Order,
    /// The message is not what the mechanism prescribes.
    Malformed,
    /// The message, or a part of it, is longer than the limits allow.
    TooLong,
    /// The server's nonce does not continue the client's.
    Nonce,
    /// The server asks for this many iterations, which the limits do not allow.
    Iterations(u32),
    /// The server did not show that it knows the user's key: it is not the server that the password is for.
    ServerSignature,
    /// The server says within the mechanism that it failed.
    Refused,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Order => "a challenge or an outcome out of order",
            Self::Malformed => "a malformed challenge",
            Self::TooLong => "a challenge that is too long",
            Self::Nonce => "the server's nonce does not continue the client's",
            Self::Iterations(count) => return write!(f, "{count} iterations are outside the limits"),
            Self::ServerSignature => "the server does not know the user's key",
            Self::Refused => "the server refused the credentials",
        })
    }
}

impl core::error::Error for Failure {}
