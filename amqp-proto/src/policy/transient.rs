//! [`classify`]: recognises errors of a peer that may pass.

use crate::machine::{Cause, Origin, Reason};
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

/// The prospect of another attempt after an error: see [`classify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prospect {
    /// A later attempt may succeed without any change.
    Passing,
    /// Every later attempt fails until somebody changes something.
    Final,
}

impl Prospect {
    /// Returns `Passing` if the argument is true, else `Final`.
    pub const fn passing(passes: bool) -> Self {
        if passes { Self::Passing } else { Self::Final }
    }
}

/// Classifies the end of a connection, session or link.
///
/// A failed transport and all time-outs pass, and so does the SASL outcome *sys-temp*; other SASL failures, and
/// a peer that does not speak AMQP 1.0, are final. So is a close by this end, since the application wanted it. A
/// close by the peer passes if it has no error; otherwise, [`is_transient`] decides.
///
/// ```
/// use amqp_proto::config::Options;
/// use amqp_proto::policy::{Prospect, Scope, classify};
/// use amqp_proto::types::Moment;
/// use amqp_proto::{Connection, Event};
///
/// let mut engine = Connection::client(Options::new("meter"), Moment::START);
/// engine.end_of_input();
/// while let Some(event) = engine.poll_event() {
///     if let Event::Closed(reason) = event {
///         let prospect = classify(Scope::Connection, &reason);
///         assert_eq!(prospect, Prospect::Passing);
///     }
/// }
/// assert!(engine.is_over());
/// ```
pub fn classify(scope: Scope, reason: &Reason) -> Prospect {
    Prospect::passing(match (&reason.cause, &reason.error) {
        (Some(Cause::Transport(_) | Cause::OpenTimedOut | Cause::NoAnswer | Cause::IdleTimedOut), _) => true,
        (Some(Cause::NotAmqp(_)), _) => false,
        (Some(Cause::Sasl(failure)), _) => failure.is_transient(),
        (None, Some(error)) => is_transient(scope, error),
        (None, None) => reason.origin != Origin::Local,
    })
}

/// Returns `true` if the same attempt may succeed later without any change.
///
/// A connection that the peer has closed may be opened again, unless the condition is `unauthorized-access`,
/// `not-found`, `not-allowed`, `invalid-field` or `redirect`: brokers close with any other condition when they
/// shut down. An invalid field passes, too, if it is the container-id: the broker may still hold the connection
/// that was lost. A refused session, link or message may be tried again only if the condition describes a
/// passing state.
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
        Scope::Connection => match condition {
            Condition::UnauthorizedAccess
            | Condition::NotFound
            | Condition::NotAllowed
            | Condition::ConnectionRedirect => false,
            Condition::InvalidField => text(error, "invalid-field") == Some("container-id"),
            _ => true,
        },
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
        // RabbitMQ's reasons for refusing a message for the moment.
        Scope::Delivery => {
            matches!(condition, Condition::ResourceLimitExceeded)
                || matches!(text(error, "reason"), Some("unavailable" | "maxlen"))
        }
    }
}

/// Returns the text of a key in the error's info.
fn text<'e>(error: &'e AmqpError, key: &str) -> Option<&'e str> {
    match error.info.get(key)? {
        Value::Symbol(text) => Some(Symbol::as_str(text)),
        Value::String(text) => Some(text.as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_field_passes_only_if_it_is_the_container_id() {
        let wrong = AmqpError::new(Condition::InvalidField);
        assert!(!is_transient(Scope::Connection, &wrong));
        let twice = wrong.clone().with_info([("invalid-field", Symbol::from("container-id"))].into());
        assert!(is_transient(Scope::Connection, &twice));
        assert!(!is_transient(Scope::Link, &twice));
    }

    #[test]
    fn ends_are_classified_by_what_this_end_knows_first() {
        let by = |origin, error: Option<Condition>, cause| {
            let error = error.map(AmqpError::new);
            classify(Scope::Connection, &Reason { origin, error, cause })
        };
        for (prospect, expected) in [
            (by(Origin::Transport, None, Some(Cause::Transport("cable".into()))), Prospect::Passing),
            (by(Origin::Local, None, Some(Cause::IdleTimedOut)), Prospect::Passing),
            (by(Origin::Local, None, Some(Cause::NotAmqp("HTTP".into()))), Prospect::Final),
            (by(Origin::Local, None, None), Prospect::Final),
            (by(Origin::Remote, None, None), Prospect::Passing),
            (by(Origin::Remote, Some(Condition::ResourceLimitExceeded), None), Prospect::Passing),
            (by(Origin::Remote, Some(Condition::DetachForced), None), Prospect::Passing),
            (by(Origin::Remote, Some(Condition::UnauthorizedAccess), None), Prospect::Final),
            (by(Origin::Remote, Some(Condition::NotFound), None), Prospect::Final),
            (by(Origin::Remote, Some(Condition::ConnectionRedirect), None), Prospect::Final),
        ] {
            assert_eq!(prospect, expected);
        }
    }
}
