//! [`EventPosition`]: the place in a partition at which a receiver begins.

use alloc::format;
use alloc::string::String;
use core::fmt;

use super::{ENQUEUED_TIME, OFFSET, SEQUENCE_NUMBER};
use crate::types::{Described, Str, Symbol, Timestamp};
use crate::wire::FilterKind;

/// The place in a partition of an event hub at which a receiver begins: a filter of its source.
///
/// ```
/// use amqp_proto::brokers::azure::{self, EventPosition};
/// use amqp_proto::wire::Source;
///
/// let source = Source::at(azure::consumer("readings", "$Default", "0"))
///     .with_filter(EventPosition::NAME, EventPosition::after_sequence_number(41));
/// let expression = EventPosition::after_sequence_number(41).to_string();
/// assert_eq!(expression, "amqp.annotation.x-opt-sequence-number > '41'");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPosition {
    expression: Str,
}

impl EventPosition {
    /// The name under which Azure's own clients put the filter in a filter set.
    pub const NAME: Symbol = FilterKind::Selector.descriptor();

    fn new(annotation: &str, comparison: &str, value: impl fmt::Display) -> Self {
        Self { expression: format!("amqp.annotation.{annotation} {comparison} '{value}'").into() }
    }

    /// Returns the place before the oldest event that is kept.
    pub fn earliest() -> Self {
        Self::after_offset("-1")
    }

    /// Returns the place behind the newest event.
    pub fn latest() -> Self {
        Self::after_offset("@latest")
    }

    /// Returns the place behind the event with this offset.
    pub fn after_offset(offset: &str) -> Self {
        Self::new(OFFSET, ">", quoted(offset))
    }

    /// Returns the place before the event with this offset.
    pub fn from_offset(offset: &str) -> Self {
        Self::new(OFFSET, ">=", quoted(offset))
    }

    /// Returns the place behind the event with this sequence number.
    pub fn after_sequence_number(number: i64) -> Self {
        Self::new(SEQUENCE_NUMBER, ">", number)
    }

    /// Returns the place before the event with this sequence number.
    pub fn from_sequence_number(number: i64) -> Self {
        Self::new(SEQUENCE_NUMBER, ">=", number)
    }

    /// Returns the place before the first event that was enqueued after this time.
    pub fn after_time(time: Timestamp) -> Self {
        Self::new(ENQUEUED_TIME, ">", time.as_millis())
    }
}

/// Doubles the quotes in a text, so that the text cannot end its own quotation.
fn quoted(text: &str) -> String {
    text.replace('\'', "''")
}

/// Writes the expression of the selector.
impl fmt::Display for EventPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expression)
    }
}

/// Converts into the value in a filter set, with the number of a selector as its descriptor.
impl From<EventPosition> for Described {
    fn from(position: EventPosition) -> Self {
        Self::new(0x0000_468c_0000_0004_u64, position.expression)
    }
}
