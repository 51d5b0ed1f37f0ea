//! [`SaslFailure`]: the reason of a failed authentication, with a text for people.

use core::fmt;

use alloc::vec::Vec;

use super::mechanism::{ClientMechanism, MechanismError};
use crate::types::{Escaped, Str, Symbol};
use crate::wire::SaslCode;

/// The reason of a failed authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SaslFailure {
    /// A SASL frame of this end is larger than
    /// [`Options::with_sasl_send_size`](crate::config::Options::with_sasl_send_size) allows.
    OwnFrame {
        /// The size of the frame.
        octets: usize,
        /// The largest allowed size.
        limit: usize,
    },
    /// The client allows none of the offered mechanisms.
    Choice(ChoiceError),
    /// The server has not authenticated the client.
    Outcome {
        /// The code of the server's outcome [5.3.3.6].
        code: SaslCode,
        /// The client's attempt.
        attempt: LoginAttempt,
    },
    /// The client's mechanism has refused a message of the server.
    Mechanism {
        /// The fault in the message.
        failure: MechanismError,
        /// The client's attempt.
        attempt: LoginAttempt,
    },
    /// The server has no mechanism that is safe on an unencrypted transport.
    NothingToOffer,
    /// The client has not authenticated.
    Credentials,
    /// The client has chosen a mechanism that was not offered [5.3.3.2].
    NotOffered,
    /// A frame is out of order [5.3.2].
    Order,
    /// The peer has sent more challenges than this end allows.
    // Threat C02.
    Rounds,
}

/// A client's attempt to authenticate: the mechanism, and the user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginAttempt {
    /// The mechanism that the client chose.
    pub mechanism: Symbol,
    /// The name of the user, if the mechanism has one.
    pub user: Option<Str>,
    /// The error that the server has told within the mechanism, such as that of a token in JSON.
    pub server_error: Option<Str>,
}

impl LoginAttempt {
    pub(super) fn of(mechanism: &dyn ClientMechanism) -> Self {
        Self {
            mechanism: mechanism.name(),
            user: mechanism.user().cloned(),
            server_error: mechanism.server_error().cloned(),
        }
    }

    /// Writes the server's error behind that of the outcome.
    fn server_error(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.server_error {
            Some(error) => write!(f, ": {}", Escaped::new(error)),
            None => Ok(()),
        }
    }
}

impl SaslFailure {
    /// Returns the code of the server's outcome, if the server has sent one [5.3.3.6].
    pub fn code(&self) -> Option<SaslCode> {
        match self {
            Self::Outcome { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Returns the client's attempt, if the client has made one.
    pub fn attempt(&self) -> Option<&LoginAttempt> {
        match self {
            Self::Outcome { attempt, .. } | Self::Mechanism { attempt, .. } => Some(attempt),
            _ => None,
        }
    }

    /// Returns `true` if the server has failed for the moment: the outcome *sys-temp*.
    pub fn is_transient(&self) -> bool {
        self.code() == Some(SaslCode::SysTemp)
    }

    /// Returns `true` if the server has failed for a reason of its own.
    pub(crate) fn is_system_error(&self) -> bool {
        matches!(self.code(), Some(SaslCode::Sys | SaslCode::SysPerm | SaslCode::SysTemp))
    }
}

impl fmt::Display for SaslFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Choice(error) => write!(f, "{error}"),
            Self::OwnFrame { octets, limit } => write!(
                f,
                "SASL: the response needs a frame of {octets} octets, but sasl_send_size allows {limit}"
            ),
            Self::Outcome { code, attempt } => {
                write!(f, "authentication failed {attempt}: {}", meaning(*code))?;
                attempt.server_error(f)
            }
            Self::Mechanism { failure, attempt } => {
                write!(f, "authentication failed {attempt}: {failure}")?;
                attempt.server_error(f)
            }
            Self::NothingToOffer => f.write_str(
                "no SASL mechanism to offer: PLAIN needs an encrypted transport, or with_plain_in_clear",
            ),
            Self::Credentials => f.write_str("SASL: the client's credentials are wrong"),
            Self::NotOffered => f.write_str("SASL: the client chose a mechanism that was not offered"),
            Self::Order => f.write_str("SASL: the peer sent a frame out of order"),
            Self::Rounds => f.write_str("SASL: the peer sent too many challenges"),
        }
    }
}

impl core::error::Error for SaslFailure {}

fn meaning(code: SaslCode) -> &'static str {
    match code {
        SaslCode::Ok => "the server's outcome is ok",
        SaslCode::Auth => "the server refused the credentials (outcome auth)",
        SaslCode::Sys => "the server had a system error (outcome sys)",
        SaslCode::SysPerm => "the server has a permanent system error (outcome sys-perm)",
        SaslCode::SysTemp => "the server has a temporary system error (outcome sys-temp)",
    }
}

impl fmt::Display for LoginAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "for user '{}' ", Escaped::new(user))?;
        }
        write!(f, "by {}", self.mechanism)
    }
}

/// The reason why a client uses none of the offered mechanisms. The client then closes the connection
/// [5.3.3.2].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChoiceError {
    /// The profile allows none of the offered mechanisms.
    NoneInCommon {
        /// The mechanisms that the server offers.
        offered: Vec<Symbol>,
        /// The mechanisms that the profile allows.
        allowed: Vec<Symbol>,
    },
    /// The only possible mechanisms would reveal the secret, and the transport is not encrypted.
    // Threat E8.
    PlainInClear,
    /// The only possible mechanisms would reveal a token, and the transport is not encrypted.
    // Threat E8.
    TokenInClear,
}

impl fmt::Display for ChoiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoneInCommon { offered, allowed } => {
                f.write_str("no SASL mechanism in common with the server: it offers ")?;
                list(offered, f)?;
                f.write_str(", this client allows ")?;
                list(allowed, f)
            }
            Self::PlainInClear => f.write_str(
                "the server accepts a password only by SASL PLAIN or similar, which is refused over an unencrypted \
                 transport: use amqps://, or with_plain_in_clear in a network that you trust",
            ),
            Self::TokenInClear => {
                f.write_str("a token is not sent over an unencrypted transport: use amqps://")
            }
        }
    }
}

impl core::error::Error for ChoiceError {}

fn list(names: &[Symbol], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if names.is_empty() {
        return f.write_str("none");
    }
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        fmt::Display::fmt(&Escaped::new(name.as_str()), f)?;
    }
    Ok(())
}
