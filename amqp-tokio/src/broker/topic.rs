//! [`Topic`]: copies each message for each of those that listen when it comes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::queue::Queue;

/// Copies each message for each of those that listen when it comes.
#[derive(Debug)]
pub(super) struct Topic {
    /// A queue for each that listens; `None` once the node is gone.
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

    /// Returns the queues of those that listen; `None` once the node is gone.
    pub(super) fn subscribers(&self) -> Option<Vec<Arc<Queue>>> {
        self.lock().clone()
    }

    /// Adds a queue, which is closed at once if the node is gone.
    pub(super) fn subscribe(&self, queue: Arc<Queue>) {
        match &mut *self.lock() {
            Some(subscribers) => subscribers.push(queue),
            None => drop(queue.close()),
        }
    }

    /// Takes a queue out and closes it: what is left in it was for nobody else.
    pub(super) fn unsubscribe(&self, queue: &Arc<Queue>) {
        if let Some(subscribers) = &mut *self.lock() {
            subscribers.retain(|subscriber| !Arc::ptr_eq(subscriber, queue));
        }
        queue.close();
    }

    /// Notes that the node is gone: those that listen are told by their queues.
    pub(super) fn close(&self) {
        let subscribers = self.lock().take();
        subscribers.into_iter().flatten().for_each(|queue| drop(queue.close()));
    }
}
