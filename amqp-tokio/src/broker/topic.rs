//! [`Topic`]: copies each message for each subscription that is there when it comes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amqp_proto::types::Limits;

use super::choice::Choice;
use super::queue::Queue;
use super::stored::Stored;

/// A topic: copies each message to every subscription: those of attached links, and durable ones.
#[derive(Debug)]
pub(super) struct Topic {
    /// The listening links; `None` once the node has ended.
    subscribers: Mutex<Option<Vec<Subscriber>>>,
}

/// A listening link.
#[derive(Debug, Clone)]
pub(super) struct Subscriber {
    pub(super) queue: Arc<Queue>,
    /// The messages that it wants; `None` for all.
    choice: Option<Arc<Choice>>,
}

impl Subscriber {
    /// Returns true if the link gets the message.
    pub(super) fn wants(&self, stored: &Stored, limits: &Limits) -> bool {
        self.choice.as_ref().is_none_or(|choice| choice.wants(stored, limits))
    }
}

impl Default for Topic {
    fn default() -> Self {
        Self { subscribers: Mutex::new(Some(Vec::new())) }
    }
}

impl Topic {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<Subscriber>>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the listening links; `None` once the node has ended.
    pub(super) fn subscribers(&self) -> Option<Vec<Subscriber>> {
        self.lock().clone()
    }

    /// Adds the queue of a link, and closes it at once if the node has ended.
    pub(super) fn subscribe(&self, queue: Arc<Queue>, choice: Choice) {
        match &mut *self.lock() {
            Some(subscribers) => {
                let choice = (!choice.is_plain()).then(|| Arc::new(choice));
                subscribers.push(Subscriber { queue, choice });
            }
            None => drop(queue.close()),
        }
    }

    /// Sets the connection of a link that is attached again.
    pub(super) fn resume(&self, queue: &Arc<Queue>, connection: u64) {
        let mut subscribers = self.lock();
        let own = |subscriber: &&mut Subscriber| Arc::ptr_eq(&subscriber.queue, queue);
        let subscriber = subscribers.iter_mut().flatten().find(own);
        if let Some(choice) = subscriber.and_then(|subscriber| subscriber.choice.as_mut()) {
            Arc::make_mut(choice).set_connection(connection);
        }
    }

    /// Removes a queue and closes it. Its messages are dropped, as other links have copies.
    pub(super) fn unsubscribe(&self, queue: &Arc<Queue>) {
        if let Some(subscribers) = &mut *self.lock() {
            subscribers.retain(|subscriber| !Arc::ptr_eq(&subscriber.queue, queue));
        }
        queue.close();
    }

    /// Ends the node, and closes the queues of its links.
    pub(super) fn close(&self) {
        let subscribers = self.lock().take();
        subscribers.into_iter().flatten().for_each(|subscriber| drop(subscriber.queue.close()));
    }
}
