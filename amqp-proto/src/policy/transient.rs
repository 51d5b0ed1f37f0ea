//! [`is_transient`]: recognises errors of a peer that may pass.

use crate::types::{Symbol, Value};
use crate::wire::{AmqpError, Condition};

/// The endpoint that an error has ended.
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

/// Returns `true` if the same attempt may succeed later without any change.
///
/// A connection that the peer has closed may be opened again, unless the condition is `unauthorized-access`,
/// `not-found` or `not-allowed`: brokers close with any other condition when they shut down. A refused
/// session, link or message may be tried again only if the condition describes a passing state.
///
/// ```
/// use amqp_proto::policy::{Scope, is_transient};
/// use amqp_proto::wire::{Condition, AmqpError};
///
/// let shutdown = AmqpError::new(Condition::InternalError);
/// assert!(is_transient(Scope::Connection, &shutdown));
/// let unknown = AmqpError::new(Condition::NotFound);
/// assert!(!is_transient(Scope::Link, &unknown));
/// let full = AmqpError::new(Condition::ResourceLimitExceeded);
/// assert!(is_transient(Scope::Delivery, &full));
/// ```
pub fn is_transient(scope: Scope, error: &AmqpError) -> bool {
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

/// Returns `true` for the reasons in `info` with which RabbitMQ refuses a message for the moment.
fn has_passing_reason(error: &AmqpError) -> bool {
    let reason = match error.info.get("reason") {
        Some(Value::Symbol(reason)) => Symbol::as_str(reason),
        Some(Value::String(reason)) => reason.as_str(),
        _ => return false,
    };
    matches!(reason, "unavailable" | "maxlen")
}
