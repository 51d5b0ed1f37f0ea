//! How a [`Modified`] is made [3.4.5].

use super::Modified;
use crate::types::{AnnotationKey, Value};

impl Modified {
    /// Counts the delivery as a failed attempt: the message may come again, here or elsewhere.
    ///
    /// # Examples
    ///
    /// ```
    /// use amqp_proto::{symbol, wire::Modified};
    ///
    /// let later = Modified::failed().with_annotation(symbol!("x-opt-reason"), "the printer is off");
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

    /// Sets whether the message is kept from this link from now on.
    #[must_use]
    pub fn with_undeliverable_here(mut self, undeliverable: bool) -> Self {
        self.undeliverable_here = Some(undeliverable);
        self
    }

    /// Adds an annotation that is to be set on the message.
    #[must_use]
    pub fn with_annotation(mut self, key: impl Into<AnnotationKey>, value: impl Into<Value>) -> Self {
        self.message_annotations.insert(key, value);
        self
    }
}
