//! Constructors of [`Modified`] [3.4.5].

use super::Modified;
use crate::types::{AnnotationKey, Value};

impl Modified {
    /// Returns the outcome of a failed attempt: the message may be delivered again, to this or another
    /// receiver.
    ///
    /// # Examples
    ///
    /// ```
    /// use amqp_proto::{symbol, wire::Modified};
    ///
    /// let later = Modified::failed()
    ///     .with_annotation(symbol!("x-opt-reason"), "the printer is off");
    /// assert_eq!(later.delivery_failed, Some(true));
    /// ```
    pub fn failed() -> Self {
        Self::default().with_delivery_failed(true)
    }

    /// Sets whether the delivery counts as a failed attempt.
    #[must_use]
    pub fn with_delivery_failed(mut self, failed: bool) -> Self {
        self.delivery_failed = Some(failed);
        self
    }

    /// Sets whether the message must not be delivered to this link again.
    #[must_use]
    pub fn with_undeliverable_here(mut self, undeliverable: bool) -> Self {
        self.undeliverable_here = Some(undeliverable);
        self
    }

    /// Adds an annotation that the sender will set on the message.
    #[must_use]
    pub fn with_annotation(mut self, key: impl Into<AnnotationKey>, value: impl Into<Value>) -> Self {
        self.message_annotations.insert(key, value);
        self
    }
}
