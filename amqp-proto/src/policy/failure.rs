//! [`OnFailure`]: what is told about a message whose work has failed [3.4].

use core::fmt::Display;

use alloc::string::ToString;

use crate::wire::{Condition, Error, Modified, Outcome, Rejected};

/// Chooses the outcome of a message that could not be processed.
///
/// ```
/// use amqp_proto::policy::OnFailure;
/// use amqp_proto::wire::Outcome;
///
/// let policy = OnFailure::default();
/// assert!(matches!(policy.outcome(0, &"the printer is off"), Outcome::Modified(_))); // it comes again
/// assert!(matches!(policy.outcome(4, &"the printer is off"), Outcome::Rejected(_))); // five times is enough
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// Counts the delivery as failed (`modified`), so that the message comes again, until it has failed so many times
    /// in all; then rejects it.
    ///
    /// A queue that does not count failed deliveries in the message's header sends it again for ever.
    Retry(u32),
    /// Rejects the message: its queue drops it, or puts it aside as a dead letter.
    Reject,
    /// Releases the message: it may go elsewhere, or come again, and nobody counts how often.
    Release,
}

impl OnFailure {
    /// Returns the outcome of a message that has failed so often before, according to the
    /// [delivery-count](crate::wire::Header::delivery_count) in its header. A rejection tells the error's words.
    pub fn outcome(self, failed_before: u32, error: &impl Display) -> Outcome {
        match self {
            Self::Retry(attempts) if failed_before.saturating_add(1) < attempts => Modified::failed().into(),
            Self::Release => Outcome::Released,
            Self::Retry(_) | Self::Reject => {
                let error = Error::new(Condition::InternalError).with_description(error.to_string());
                Rejected { error: Some(error.into()) }.into()
            }
        }
    }
}

impl Default for OnFailure {
    /// Five attempts in all.
    fn default() -> Self {
        Self::Retry(5)
    }
}
