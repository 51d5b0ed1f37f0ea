//! [`is_transient`]: which errors of a peer pass by themselves.

use crate::types::{Symbol, Value};
use crate::wire::{Condition, Error};

/// How much an error has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// The connection was closed.
    Connection,
    /// A session was ended, or a link detached or refused.
    Link,
    /// A message was rejected.
    Delivery,
}

/// Returns whether the same attempt may succeed later, although nobody changes anything.
///
/// A connection that the peer has closed may be opened again, unless the condition is `unauthorized-access`,
/// `not-found` or `not-allowed`: brokers close with any other condition when they shut down. A session, a link or a
/// message was refused for its own sake, so only the conditions that speak of a passing state count.
///
/// ```
/// use amqp_proto::policy::{Scope, is_transient};
/// use amqp_proto::wire::{Condition, Error};
///
/// let shutdown = Error::new(Condition::InternalError).with_description("Connection forced");
/// assert!(is_transient(Scope::Connection, &shutdown));
/// assert!(!is_transient(Scope::Link, &Error::new(Condition::NotFound)));
/// assert!(is_transient(Scope::Delivery, &Error::new(Condition::ResourceLimitExceeded))); // the queue is full
/// ```
pub fn is_transient(scope: Scope, error: &Error) -> bool {
    let condition = &error.condition;
    match scope {
        Scope::Connection => {
            !matches!(condition, Condition::UnauthorizedAccess | Condition::NotFound | Condition::NotAllowed)
        }
        Scope::Link => matches!(
            condition,
            Condition::InternalError
                | Condition::ResourceLimitExceeded
                | Condition::ResourceLocked
                | Condition::IllegalState
                | Condition::ConnectionForced
                | Condition::DetachForced
                | Condition::TransactionRollback
                | Condition::TransactionTimeout
        ),
        Scope::Delivery => matches!(condition, Condition::ResourceLimitExceeded) || has_passing_reason(error),
    }
}

/// RabbitMQ says in `info` why a queue has not taken a message.
fn has_passing_reason(error: &Error) -> bool {
    let reason = match error.info.get("reason") {
        Some(Value::Symbol(reason)) => Symbol::as_str(reason),
        Some(Value::String(reason)) => reason.as_str(),
        _ => return false,
    };
    matches!(reason, "unavailable" | "maxlen")
}
