//! [`Selector`]: chooses messages by an expression, as JMS does.

mod error;
mod field;
mod name;
mod operand;
mod operator;
mod parser;
mod pattern;
mod program;
mod token;

use core::fmt;
use core::str::FromStr;

pub use error::{SelectorError, SelectorErrorKind};
pub use field::{Candidate, Field, HeaderField, PropertiesField};

use crate::types::Str;

const MAX_LEN: usize = 8_192;
const MAX_DEPTH: usize = 64;

/// A condition on messages, in the language of JMS selectors, which is a part of SQL-92.
///
/// A selector has no side effects and no state. It is what a [`Filter::Selector`](crate::wire::Filter) means, and
/// applications can choose messages by it, too.
///
/// ```
/// use amqp_proto::message::Message;
/// use amqp_proto::policy::Selector;
///
/// let selector = Selector::parse("colour IN ('red', 'blue') AND weight > 2.5")?;
/// let heavy = Message::from("job")
///     .with_property("colour", "red")
///     .with_property("weight", 3);
/// assert!(selector.matches(&heavy));
/// assert!(!selector.matches(&Message::from("job")));
/// # Ok::<(), amqp_proto::policy::SelectorError>(())
/// ```
///
/// # Language
///
/// | what | form |
/// | --- | --- |
/// | conditions | `AND`, `OR`, `NOT`, `TRUE`, `FALSE`, parentheses |
/// | comparisons | `=`, `<>`, and for numbers `<`, `<=`, `>`, `>=`, `[NOT] BETWEEN a AND b` |
/// | texts | `'it''s'`; `[NOT] LIKE 'a_c%' [ESCAPE '\']`; `[NOT] IN ('a', 'b')`, also with numbers |
/// | missing fields | `IS [NOT] NULL` |
/// | numbers | `7`, `0x1F`, `017`, `7L`; `7.5`, `.5`, `7E3`, `7d`, `7f`; `+`, `-`, `*`, `/` |
///
/// Reserved words are of any case. Names of fields are not; a name in double quotes may have any characters.
///
/// # Fields
///
/// A plain name is that of an application-property. `amqp.correlation_id` and so on are the fields of header and
/// properties, by their names in the standard with underscores. `amqp.annotation.x-opt-offset` is a message-annotation,
/// and the only name with hyphens. The names of JMS mean these fields:
///
/// | name | field |
/// | --- | --- |
/// | `JMSMessageID`, `JMSCorrelationID` | message-id, correlation-id |
/// | `JMSDestination`, `JMSReplyTo`, `JMSType` | to, reply-to, subject |
/// | `JMSTimestamp`, `JMSExpiration` | creation-time, absolute-expiry-time, in milliseconds |
/// | `JMSPriority` | priority |
/// | `JMSDeliveryMode` | durable: `'PERSISTENT'` or `'NON_PERSISTENT'` |
/// | `JMSRedelivered`, `JMSXDeliveryCount` | delivery-count: more than zero, and one more |
/// | `JMSXGroupID`, `JMSXGroupSeq`, `JMSXUserID` | group-id, group-sequence, user-id |
///
/// # Values
///
/// A missing field is null. What is computed from it or compared with it is not known, and neither are `NOT` of it, `AND`
/// with a true and `OR` with a false condition. A message matches if the whole selector is known and true.
///
/// Comparing values of different types gives false. Integers and timestamps are exact numbers, floats are approximate
/// ones, and strings and symbols are texts. Other values, such as octets and decimals, equal nothing. An exact number
/// divided by an exact one is cut to an exact one; divided by zero, it is not known. A result that does not fit into 64 bits
/// becomes approximate.
#[derive(Clone, PartialEq)]
pub struct Selector {
    text: Str,
    program: program::Program,
}

impl Selector {
    /// The greatest length of an expression, in octets.
    pub const MAX_LEN: usize = MAX_LEN;

    /// The greatest number of operators and parentheses that wait for each other.
    pub const MAX_DEPTH: usize = MAX_DEPTH;

    /// Parses an expression. An empty one matches every message.
    ///
    /// Neither parsing nor evaluating recurses. Evaluating takes one step for each word, except `LIKE`, which takes at most
    /// as many as the length of its pattern times that of the field.
    ///
    /// # Errors
    ///
    /// [`SelectorError`] says what is wrong, and in which column.
    pub fn parse(expression: impl Into<Str>) -> Result<Self, SelectorError> {
        let text = expression.into();
        Ok(Self { program: parser::parse(text.as_str())?, text })
    }

    /// Returns `true` if the message matches.
    pub fn matches<C: Candidate + ?Sized>(&self, message: &C) -> bool {
        self.evaluate(message) == Some(true)
    }

    /// Evaluates the selector; `None` if the result is not known.
    ///
    /// Nothing is allocated, unless the selector has many operators that wait for each other.
    pub fn evaluate<C: Candidate + ?Sized>(&self, message: &C) -> Option<bool> {
        self.program.run(message)
    }

    /// Returns the expression.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(expression: &str) -> Result<Self, SelectorError> {
        Self::parse(expression)
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Selector").field(&self.text).finish()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
