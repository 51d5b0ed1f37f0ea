//! The `error` type [2.8.14], and the conditions of decoding errors.

use core::fmt;

use super::Condition;
use crate::codec::{DecodeError, DecodeErrorKind, LimitKind, composite};
use crate::types::{Escaped, Fields, Str};

composite! {
    /// Details of an error: a condition, a description for people, and info for programs [2.8.14].
    ///
    /// ```
    /// use amqp_proto::wire::{AmqpError, Condition};
    ///
    /// let error = AmqpError::new(Condition::NotFound)
    ///     .with_description("no queue 'jobs'");
    /// assert_eq!(error.to_string(), r#"amqp:not-found: no queue 'jobs'"#);
    /// ```
    rare AmqpError = "error" 0x1d {
        /// The kind of error.
        condition: Condition, "symbol", mandatory;
        /// A text for people. A peer may send any text; `Display` escapes it.
        description: Option<Str>, "string", optional;
        /// Information for programs, such as the address of a redirect.
        info: Fields, "fields", optional;
    }
}

impl AmqpError {
    /// Sets the description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<Str>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Returns an error with a description, which it lacks without the feature `texts`.
    #[cfg_attr(not(feature = "texts"), inline(always))]
    pub(crate) fn described(condition: Condition, description: fmt::Arguments<'_>) -> Self {
        let error = Self::new(condition);
        if cfg!(feature = "texts") { error.with_description(Str::told(description)) } else { error }
    }

    /// Sets the info.
    #[must_use]
    pub fn with_info(mut self, info: Fields) -> Self {
        self.info = info;
        self
    }
}

impl From<Condition> for AmqpError {
    fn from(condition: Condition) -> Self {
        Self::new(condition)
    }
}

impl fmt::Display for AmqpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.condition, f)?;
        if let Some(description) = &self.description {
            // Quotes are harmless in a log; control characters and changes of direction are not.
            write!(f, ": {}", Escaped::unquoted(description))?;
        }
        if self.info.is_empty() { Ok(()) } else { write!(f, " {:?}", self.info) }
    }
}

impl core::error::Error for AmqpError {}

impl DecodeError {
    /// Returns the condition that reports the error to the peer [2.8.16] [2.8.15].
    pub fn condition(&self) -> Condition {
        match self.kind() {
            DecodeErrorKind::Truncated
            | DecodeErrorKind::Constructor(_)
            | DecodeErrorKind::Boolean(_)
            | DecodeErrorKind::Char(_)
            | DecodeErrorKind::Utf8
            | DecodeErrorKind::Ascii
            | DecodeErrorKind::Size
            | DecodeErrorKind::Count
            | DecodeErrorKind::OddMap
            | DecodeErrorKind::DuplicateKey
            | DecodeErrorKind::Trailing
            | DecodeErrorKind::Expected(_)
            | DecodeErrorKind::Descriptor
            | DecodeErrorKind::TooManyFields
            | DecodeErrorKind::NotAllowed(_)
            | DecodeErrorKind::SectionOrder
            | DecodeErrorKind::BodyMix
            | DecodeErrorKind::Limit(
                LimitKind::Depth
                | LimitKind::Elements
                | LimitKind::ZeroWidthElements
                | LimitKind::ValueOctets
                | LimitKind::Sections,
            ) => Condition::DecodeError,
            DecodeErrorKind::Missing
            | DecodeErrorKind::Choice(_)
            | DecodeErrorKind::TooLong
            | DecodeErrorKind::TransactionIdTooLong => Condition::InvalidField,
            DecodeErrorKind::FrameSize(_)
            | DecodeErrorKind::FrameTooLarge { .. }
            | DecodeErrorKind::DataOffset(_)
            | DecodeErrorKind::FrameType(_)
            | DecodeErrorKind::EmptySaslFrame
            | DecodeErrorKind::ProtocolHeader => Condition::FramingError,
        }
    }
}
