//! [`Failure`]: the reason for a failed case; and [`Problem`]: an error of either client.

use std::fmt;

use amqp_proto::Origin;
use amqp_proto::client::Error;
use amqp_proto::codec::DecodeError;
use amqp_proto::wire::Condition;

/// The result of a step of a case.
pub(crate) type Done<T = ()> = Result<T, Failure>;

/// The reason for a failed case.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The client has reported an error.
    Problem(Problem),
    /// An assertion of the case has failed.
    Wrong(String),
}

/// An error of a client, in a form that both clients share.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) over: Over,
    pub(crate) origin: Option<Origin>,
    pub(crate) condition: Option<Condition>,
    pub(crate) description: String,
    /// The error's text.
    pub(crate) words: String,
}

/// The endpoint that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Connection,
    Session,
    Link,
    /// The link, before the outcome of a delivery was known.
    Lost,
    /// None, since there was no transport.
    Transport,
    /// None, since this end refused the call.
    Nothing,
}

impl Failure {
    pub(crate) fn wrong(words: impl Into<String>) -> Self {
        Self::Wrong(words.into())
    }
}

/// Asserts that `got` equals `expected`.
pub(crate) fn same<T: PartialEq + fmt::Debug>(what: &str, got: T, expected: T) -> Done {
    if got == expected { Ok(()) } else { Err(Failure::Wrong(format!("{what}: {got:?}, not {expected:?}"))) }
}

/// Asserts a condition.
pub(crate) fn holds(what: &str, it: bool) -> Done {
    if it { Ok(()) } else { Err(Failure::Wrong(format!("not so: {what}"))) }
}

/// Returns the expected error, or a failure if there is none.
pub(crate) fn refused<T>(what: &str, result: Done<T>) -> Done<Problem> {
    match result {
        Ok(_) => Err(Failure::Wrong(format!("{what} succeeds"))),
        Err(Failure::Problem(problem)) => Ok(problem),
        Err(wrong) => Err(wrong),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem(problem) => f.write_str(&problem.words),
            Self::Wrong(words) => f.write_str(words),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let over = match &error {
            Error::Connection(_) => Over::Connection,
            Error::Session(_) => Over::Session,
            Error::Link(_) => Over::Link,
            Error::Lost(_) => Over::Lost,
            Error::Io(_) => Over::Transport,
            _ => Over::Nothing,
        };
        Self::Problem(Problem {
            over,
            origin: error.origin(),
            condition: error.condition().cloned(),
            description: error.description().map(ToString::to_string).unwrap_or_default(),
            words: error.to_string(),
        })
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Wrong(format!("not a message: {error}"))
    }
}
