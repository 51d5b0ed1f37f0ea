//! [`OnFailure`]: the outcome of a message whose processing has failed [3.4].

use core::fmt::Display;

use alloc::string::ToString;

use crate::wire::{AmqpError, Condition, Modified, Outcome, Rejected};

/// The choice of the outcome of a message that could not be processed.
///
/// ```
/// use amqp_proto::policy::OnFailure;
/// use amqp_proto::wire::Outcome;
///
/// let policy = OnFailure::default();
/// let error = "the printer is off";
/// // The first failure: the message is delivered again.
/// let first = policy.outcome(0, &error);
/// assert!(matches!(first, Outcome::Modified(_)));
/// // The fifth failure is the last.
/// let fifth = policy.outcome(4, &error);
/// assert!(matches!(fifth, Outcome::Rejected(_)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// Modifies the message as failed, so that it is delivered again, until it has failed this number of
    /// times; then rejects it.
    ///
    /// A queue that does not count failed deliveries in the message's header repeats the delivery for ever.
    Retry(u32),
    /// Rejects the message. The queue drops it or moves it to a dead-letter queue.
    Reject,
    /// Releases the message. It may be delivered again, and the failures are not counted.
    Release,
}

impl OnFailure {
    /// Returns the outcome of a message that has failed `failed_before` times before this failure.
    ///
    /// The number is the [delivery-count](crate::wire::Header::delivery_count) in the message's header. A
    /// rejection has the text of `error` as its description.
    pub fn outcome(self, failed_before: u32, error: &impl Display) -> Outcome {
        match self {
            Self::Retry(attempts) if failed_before.saturating_add(1) < attempts => Modified::failed().into(),
            Self::Release => Outcome::Released,
            Self::Retry(_) | Self::Reject => {
                let error = AmqpError::new(Condition::InternalError).with_description(error.to_string());
                Rejected { error: Some(error.into()) }.into()
            }
        }
    }
}

impl Default for OnFailure {
    /// Returns a policy of five attempts.
    fn default() -> Self {
        Self::Retry(5)
    }
}
