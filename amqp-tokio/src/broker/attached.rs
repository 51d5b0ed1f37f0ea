//! [`Attached`]: a link that is attached to a queue.

use std::sync::Arc;

use super::queue::Queue;

/// A link that is attached to a queue, until this is dropped. A subscription without one delays no publisher.
#[derive(Debug)]
pub(super) struct Attached(Arc<Queue>);

impl Attached {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        queue.attach();
        Self(queue)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.detach();
    }
}
