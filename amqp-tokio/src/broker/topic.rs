//! [`Topic`]: copies each message for each of those that listen when it comes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::queue::Queue;

/// A topic: copies each message to every link that is listening.
#[derive(Debug)]
pub(super) struct Topic {
    /// The queue of each listening link; `None` once the node has ended.
    subscribers: Mutex<Option<Vec<Arc<Queue>>>>,
}

impl Default for Topic {
    fn default() -> Self {
        Self { subscribers: Mutex::new(Some(Vec::new())) }
    }
}

impl Topic {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<Arc<Queue>>>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the queues of the listening links; `None` once the node has ended.
    pub(super) fn subscribers(&self) -> Option<Vec<Arc<Queue>>> {
        self.lock().clone()
    }

    /// Adds a queue, and closes it at once if the node has ended.
    pub(super) fn subscribe(&self, queue: Arc<Queue>) {
        match &mut *self.lock() {
            Some(subscribers) => subscribers.push(queue),
            None => drop(queue.close()),
        }
    }

    /// Removes a queue and closes it. Its messages are dropped, as other links have copies.
    pub(super) fn unsubscribe(&self, queue: &Arc<Queue>) {
        if let Some(subscribers) = &mut *self.lock() {
            subscribers.retain(|subscriber| !Arc::ptr_eq(subscriber, queue));
        }
        queue.close();
    }

    /// Ends the node, and closes the queues of its links.
    pub(super) fn close(&self) {
        let subscribers = self.lock().take();
        subscribers.into_iter().flatten().for_each(|queue| drop(queue.close()));
    }
}
