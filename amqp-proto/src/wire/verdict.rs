//! The reading of an outcome: [`Outcome::accepted`], [`NotAccepted`], and texts for people.

use core::fmt;

use super::{Modified, Outcome, Rejected};

impl Outcome {
    /// Returns `true` if the receiver has processed the message and is now responsible for it [3.4.2].
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted)
    }

    /// Turns every outcome except [`Accepted`](Self::Accepted) into an error.
    ///
    /// # Errors
    ///
    /// [`NotAccepted`] with the outcome, if the message was rejected, released or modified.
    ///
    /// # Examples
    ///
    /// ```
    /// use amqp_proto::wire::{NotAccepted, Outcome};
    ///
    /// assert_eq!(Outcome::Accepted.accepted(), Ok(()));
    /// let released = NotAccepted(Box::new(Outcome::Released));
    /// assert_eq!(Outcome::Released.accepted(), Err(released));
    /// ```
    pub fn accepted(self) -> Result<(), NotAccepted> {
        match self {
            Self::Accepted => Ok(()),
            outcome => Err(NotAccepted(outcome.into())),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Rejected(Rejected { error: Some(error) }) => write!(f, "rejected: {error}"),
            Self::Rejected(Rejected { error: None }) => f.write_str("rejected"),
            Self::Released => f.write_str("released"),
            Self::Modified(modified) => write_modified(modified, f),
            Self::Declared(_) => f.write_str("declared"),
            Self::Other(other) => write!(f, "{other:?}"),
        }
    }
}

fn write_modified(modified: &Modified, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(match (modified.delivery_failed, modified.undeliverable_here) {
        (Some(true), Some(true)) => "modified: delivery failed, undeliverable here",
        (Some(true), _) => "modified: delivery failed",
        (_, Some(true)) => "modified: undeliverable here",
        _ => "modified",
    })
}

/// The error of a message whose outcome is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAccepted(pub alloc::boxed::Box<Outcome>);

impl fmt::Display for NotAccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the message was not accepted: {}", self.0)
    }
}

impl core::error::Error for NotAccepted {}

#[cfg(test)]
mod tests {
    use crate::wire::{AmqpError, Condition, Modified, Outcome, Rejected};

    #[test]
    fn outcomes_are_shown_in_words() {
        let error = AmqpError::new(Condition::NotFound).with_description("no such\nqueue");
        let failed = Modified { delivery_failed: Some(true), ..Modified::default() };
        for (outcome, words) in [
            (Outcome::Accepted, "accepted"),
            (Outcome::Released, "released"),
            (Rejected { error: None }.into(), "rejected"),
            (Rejected { error: Some(error.into()) }.into(), r"rejected: amqp:not-found: no such\nqueue"),
            (Modified::default().into(), "modified"),
            (failed.into(), "modified: delivery failed"),
        ] {
            assert_eq!(outcome.to_string(), words);
            let accepted = outcome.is_accepted();
            assert_eq!(outcome.accepted().is_ok(), accepted);
        }
    }
}
