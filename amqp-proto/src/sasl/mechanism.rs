//! The interface of every mechanism: one trait for each end [5.3.2].

use core::fmt;

use crate::types::{Str, Symbol};
use crate::wire::Secret;

/// The client's end of one authentication. A new attempt needs a new value.
///
/// The order of the calls: [`initial_response`](Self::initial_response) once, for the init;
/// [`challenge`](Self::challenge) for each challenge of the server; [`outcome`](Self::outcome) once, if the
/// server has sent the outcome *ok*. Other outcomes cause no call. A call out of order, and any call after a
/// failure, returns a [`MechanismError`] [5.3.2], since the peer can cause it.
///
/// [`ClientProfile::with_mechanism`](super::ClientProfile::with_mechanism) adds a mechanism of the
/// application. The connection's `Debug` shows its name.
pub trait ClientMechanism: Send {
    /// Returns the name of the mechanism.
    fn name(&self) -> Symbol;

    /// Returns `true` if the exchange reveals the secret, such as a password or a token, to an eavesdropper.
    ///
    /// Such a mechanism is not used on an unencrypted transport. Default `true`.
    // Threat E8.
    fn shows_secret(&self) -> bool {
        true
    }

    /// Returns the name of the user, for error texts. Default `None`.
    fn user(&self) -> Option<&Str> {
        None
    }

    /// Returns the error that the server has told within the mechanism, for error texts. Default `None`.
    fn server_error(&self) -> Option<&Str> {
        None
    }

    /// Returns the initial response; an empty response differs from `None` [5.3.3.2].
    fn initial_response(&mut self) -> Option<Secret>;

    /// Returns the response to a challenge.
    ///
    /// # Errors
    ///
    /// [`MechanismError`] if the challenge is malformed, out of order, or not acceptable. The client then gives up.
    fn challenge(&mut self, challenge: &Secret) -> Result<Secret, MechanismError>;

    /// Handles the outcome *ok*.
    ///
    /// # Errors
    ///
    /// [`MechanismError`] if the server has not proved its identity. The client then gives up, as after any other
    /// failure [5.3.3.5].
    fn outcome(&mut self, additional_data: Option<&Secret>) -> Result<(), MechanismError>;
}

/// The server's end of one authentication. A new attempt needs a new value.
///
/// The order of the calls: [`init`](Self::init) once, then [`response`](Self::response) after each
/// [`Step::Challenge`], until a step is [`Step::Done`] or [`Step::Failed`]. A call out of order, and any call
/// after the end, fails [5.3.2].
pub trait ServerMechanism: Send {
    /// Returns the name of the mechanism.
    fn name(&self) -> Symbol;

    /// Handles the client's choice of this mechanism.
    fn init(&mut self, initial_response: Option<&Secret>) -> Step;

    /// Handles the client's response to a challenge.
    fn response(&mut self, response: &Secret) -> Step;
}

// No `Debug` of mechanisms is needed: it would be linked into each program that authenticates.

impl fmt::Debug for dyn ClientMechanism + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().as_str())
    }
}

impl fmt::Debug for dyn ServerMechanism + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().as_str())
    }
}

/// The next step of a server mechanism.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Send a challenge.
    Challenge(Secret),
    /// Send the outcome *ok*.
    Done {
        /// The identity of the client.
        identity: Identity,
        /// Additional data for the outcome.
        additional_data: Option<Secret>,
    },
    /// Send the outcome *auth*. It has no reason: a reason would tell the peer which users exist.
    Failed,
}

/// The identity of an authenticated client: its user, and the identity that it acts as.
///
/// The texts have no control characters, but the peer has chosen them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Identity {
    user: Option<Str>,
    acting_as: Option<Str>,
    trace: Option<Str>,
}

impl Identity {
    /// Returns the identity of an anonymous client.
    pub const fn anonymous() -> Self {
        Self { user: None, acting_as: None, trace: None }
    }

    /// Returns the identity of a client that is authenticated as this user.
    pub fn of(user: impl Into<Str>) -> Self {
        Self { user: Some(user.into()), ..Self::anonymous() }
    }

    /// Sets the identity that the client acts as.
    #[must_use]
    pub fn with_acting_as(mut self, authorization: impl Into<Str>) -> Self {
        self.acting_as = Some(authorization.into());
        self
    }

    /// Sets the trace text of an anonymous client.
    #[must_use]
    pub fn with_trace(mut self, trace: impl Into<Str>) -> Self {
        self.trace = Some(trace.into());
        self
    }

    /// Returns the authenticated user; `None` for an anonymous client.
    pub fn user(&self) -> Option<&Str> {
        self.user.as_ref()
    }

    /// Returns the identity whose rights the client has: the one that it acts as, else the user; `None` for
    /// an anonymous client.
    pub fn authorized_as(&self) -> Option<&Str> {
        self.acting_as.as_ref().or(self.user.as_ref())
    }

    /// Returns the trace text that an anonymous client has sent, unchecked.
    pub fn trace(&self) -> Option<&Str> {
        self.trace.as_ref()
    }
}

/// The reason for which a client mechanism gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MechanismError {
    /// The server has sent a challenge or an outcome out of order.
    Order,
    /// The message is malformed.
    Malformed,
    /// The message, or a part of it, exceeds the limits.
    TooLong,
    /// The server's nonce does not begin with the client's.
    Nonce,
    /// The server requests this number of iterations, which the limits do not allow.
    Iterations(u32),
    /// The server has not proved that it knows the user's key, so it may be an impostor.
    ServerSignature,
    /// The server reports a failure within the mechanism.
    Refused,
}

impl fmt::Display for MechanismError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Order => "a challenge or an outcome out of order",
            Self::Malformed => "a malformed challenge",
            Self::TooLong => "a challenge that is too long",
            Self::Nonce => "the server's nonce does not begin with the client's",
            Self::Iterations(count) => return write!(f, "{count} iterations are outside the limits"),
            Self::ServerSignature => "the server does not know the user's key",
            Self::Refused => "the server refused the credentials",
        })
    }
}

impl core::error::Error for MechanismError {}
