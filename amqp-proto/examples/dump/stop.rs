//! [`Stop`]: the reason to stop.

use std::{fmt, io};

use amqp_proto::codec::DecodeError;

/// The reason to stop before the end of the input.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The input is wrong at this offset.
    Fault(u64, String),
    /// The input cannot be shown, or the command does not fit it.
    Unfit(String),
    /// Reading or writing failed.
    Io(io::Error),
}

impl Stop {
    /// Returns the fault of octets that were decoded from offset `start` on.
    pub(crate) fn decode(start: u64, error: &DecodeError) -> Self {
        Self::Fault(start + error.offset() as u64, reason(error))
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(offset, reason) => write!(f, "offset {offset}: {reason}"),
            Self::Unfit(reason) => write!(f, "dump: {reason}"),
            Self::Io(error) => write!(f, "dump: {error}"),
        }
    }
}

/// Returns the kind of the error, its field and its clause.
pub(crate) fn reason(error: &DecodeError) -> String {
    let kind = error.kind();
    let field = error.field().map(|(of, field)| format!(" in {of}.{field}")).unwrap_or_default();
    format!("{kind}{field} {}", kind.clause())
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
