//! [`SelectorError`]: the error of an expression that is no selector, with its column.

use core::fmt;

/// The error of an expression that is no selector.
///
/// ```
/// use amqp_proto::policy::Selector;
///
/// let error = Selector::parse("colour = 'red' AND").unwrap_err();
/// assert_eq!(error.column(), 19);
/// assert_eq!(error.to_string(), "column 19: expected an operand");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelectorError {
    pub(super) column: usize,
    pub(super) kind: SelectorErrorKind,
}

impl SelectorError {
    /// Returns the column of the error: the number of its first character, from 1 on.
    pub const fn column(&self) -> usize {
        self.column
    }

    /// Returns the kind of the error.
    pub const fn kind(&self) -> SelectorErrorKind {
        self.kind
    }
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.kind)
    }
}

impl core::error::Error for SelectorError {}

/// The kind of a [`SelectorError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectorErrorKind {
    /// The expression has more octets than [`Selector::MAX_LEN`](super::Selector::MAX_LEN).
    TooLong,
    /// The expression nests deeper than [`Selector::MAX_DEPTH`](super::Selector::MAX_DEPTH).
    TooDeep,
    /// The character is not part of the language.
    Character(char),
    /// The text or the quoted name has no end.
    Unterminated,
    /// The number is malformed or out of range.
    Number,
    /// Something else must stand here.
    Expected(&'static str),
    /// The operand must be of this type.
    Type(&'static str),
    /// The escape is not one character, or the pattern ends with it.
    Escape,
    /// The message has no field of this name.
    Field,
}

impl fmt::Display for SelectorErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("the selector is too long"),
            Self::TooDeep => f.write_str("the selector nests too deeply"),
            Self::Character(other) => write!(f, "unexpected character {other:?}"),
            Self::Unterminated => f.write_str("a quote without its end"),
            Self::Number => f.write_str("a number that is malformed or out of range"),
            Self::Expected(what) => write!(f, "expected {what}"),
            Self::Type(what) => write!(f, "an operand of another type than {what}"),
            Self::Escape => f.write_str("an escape is one character, and another follows it in the pattern"),
            Self::Field => f.write_str("messages have no field of this name"),
        }
    }
}
