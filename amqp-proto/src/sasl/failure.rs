//! [`SaslFailure`]: why an authentication failed, in words that a person can act on.

use core::fmt;

use alloc::vec::Vec;

use super::mechanism::Failure;
use crate::types::{Str, Symbol};
use crate::wire::SaslCode;

/// Why an authentication failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SaslFailure {
    /// A SASL frame of this end is larger than
    /// [`Options::with_sasl_send_size`](crate::config::Options::with_sasl_send_size) allows.
    OwnFrame {
        /// The octets that the frame takes.
        octets: usize,
        /// The octets that it may take.
        limit: usize,
    },
    /// The client may use none of the offered mechanisms.
    Choice(ChoiceError),
    /// The server has not authenticated the client.
    Outcome {
        /// The code of the server's outcome [5.3.3.6].
        code: SaslCode,
        /// The login that the client tried.
        attempt: Attempt,
    },
    /// The client's mechanism does not take what the server sends.
    Mechanism {
        /// The fault that it found.
        failure: Failure,
        /// The login that the client tried.
        attempt: Attempt,
    },
    /// The server has no mechanism that is safe on a link that is not encrypted.
    NothingToOffer,
    /// The client has not shown who it is.
    Credentials,
    /// The client picked a mechanism that was not offered [5.3.3.2].
    NotOffered,
    /// A frame that has no place there [5.3.2].
    Order,
    /// More challenges than this end takes (threat C02).
    Rounds,
}

/// A client's attempt to authenticate: the mechanism, and the user it names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The mechanism that the client chose.
    pub mechanism: Symbol,
    /// The name of the user, where the mechanism has one.
    pub user: Option<Str>,
}

impl Attempt {
    pub(super) fn new(mechanism: Symbol, user: Option<Str>) -> Self {
        Self { mechanism, user }
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

    /// Returns the login that the client tried, if it came so far.
    pub fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::Outcome { attempt, .. } | Self::Mechanism { attempt, .. } => Some(attempt),
            _ => None,
        }
    }

    /// Returns whether the server failed for a reason of its own that may pass: the outcome *sys-temp*.
    pub fn is_transient(&self) -> bool {
        self.code() == Some(SaslCode::SysTemp)
    }

    /// Returns whether the server failed for a reason of its own.
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
                "SASL: the response of this end takes a frame of {octets} octets, sasl_send_size allows {limit}"
            ),
            Self::Outcome { code, attempt } => {
                write!(f, "authentication failed {attempt}: {}", meaning(*code))
            }
            Self::Mechanism { failure, attempt } => write!(f, "authentication failed {attempt}: {failure}"),
            Self::NothingToOffer => f.write_str(
                "no SASL mechanism to offer: PLAIN needs an encrypted link, or with_plain_in_clear",
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

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "for user '{}' ", user.escape_debug())?;
        }
        write!(f, "by {}", self.mechanism)
    }
}

/// Why a client uses none of the offered mechanisms. It closes the connection [5.3.3.2].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChoiceError {
    /// The profile allows none of them.
    NoneInCommon {
        /// The mechanisms that the server offers.
        offered: Vec<Symbol>,
        /// The mechanisms that the profile allows.
        allowed: Vec<Symbol>,
    },
    /// Only PLAIN, or another that shows its secret, would do, but the link is not encrypted (threat E8).
    PlainInClear,
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
                "the server takes a password only by SASL PLAIN, or its like, which is refused on a link that is not \
                 encrypted: use amqps://, or plain_in_clear in a network that you trust",
            ),
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
        write!(f, "{}", name.as_str().escape_debug())?;
    }
    Ok(())
}
