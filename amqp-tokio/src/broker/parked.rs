//! [`Parked`]: the messages of transactions that are not committed, and [`coordinate`], which commits them.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use amqp_proto::client::Result;
use amqp_proto::types::TransactionId;
use amqp_proto::wire::{AmqpError, Condition};
use tokio::sync::Notify;

use super::expiry;
use super::node::{Node, Use};
use super::stored::Stored;
use crate::{CommitRequest, Coordinator, CoordinatorEvent};

/// The messages that a client has posted in transactions, until these are discharged.
#[derive(Debug, Default)]
pub(super) struct Parked {
    transactions: Mutex<HashMap<TransactionId, Postings>>,
    /// Notified when a settled message is handled.
    handled: Notify,
}

/// The messages of a transaction.
#[derive(Debug, Default)]
struct Postings {
    messages: Vec<Posting>,
    /// The number of messages that were sent settled, and are handled.
    settled: u64,
    /// True if a settled message could not be taken, of which the client learns by the discharge only [4.4.4.1].
    has_failed: bool,
}

/// A message, and the node that it goes to.
#[derive(Debug)]
pub(super) struct Posting {
    pub(super) used: Use,
    pub(super) stored: Stored,
}

impl Parked {
    fn lock(&self) -> MutexGuard<'_, HashMap<TransactionId, Postings>> {
        self.transactions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message to a transaction.
    pub(super) fn add(&self, id: &TransactionId, posting: Posting) {
        self.lock().entry(id.clone()).or_default().messages.push(posting);
    }

    /// Records that a settled message is handled, and whether it was taken.
    pub(super) fn settled(&self, id: &TransactionId, is_taken: bool) {
        let mut transactions = self.lock();
        let postings = transactions.entry(id.clone()).or_default();
        postings.settled += 1;
        postings.has_failed |= !is_taken;
        drop(transactions);
        self.handled.notify_waiters();
    }

    /// Drops the messages of a transaction.
    pub(super) fn forget(&self, id: &TransactionId) {
        // Their nodes may end with them, which takes other locks.
        let gone = self.lock().remove(id);
        drop(gone);
    }

    /// Returns true if this number of settled messages is handled.
    fn has_handled(&self, id: &TransactionId, settled: u64) -> bool {
        self.lock().get(id).map_or(0, |postings| postings.settled) >= settled
    }

    /// Commits a transaction: its messages go to their nodes, in order, before the client learns of it.
    fn commit(&self, request: CommitRequest) {
        let postings = self.lock().remove(&request.id()).unwrap_or_default();
        if postings.has_failed {
            let words = "the broker could not take a settled message of the transaction";
            return request.refuse(AmqpError::new(Condition::TransactionRollback).with_description(words));
        }
        // If the transaction is over meanwhile, its messages are dropped.
        let _ = request.commit(|| postings.messages.into_iter().for_each(Posting::deliver));
    }
}

impl Posting {
    /// Makes the message available at its node. It has its room already, whatever the bounds of the queue.
    fn deliver(self) {
        let Self { used, stored } = self;
        match &used.node {
            Node::Queue(queue) => {
                if stored.expires.is_some() {
                    expiry::watch(&used.nodes, queue);
                }
                let left = queue.append(stored);
                used.nodes.bury_all(left.into_iter().collect());
            }
            Node::Topic(topic) => {
                let quota = &used.nodes.quota;
                let all = topic.subscribers().unwrap_or_default();
                for subscriber in all.iter().filter(|one| one.wants(&stored, &quota.limits)) {
                    let mut copy = stored.copy();
                    // Without room, this link misses the message.
                    if copy.charge(quota) {
                        if copy.expires.is_some() {
                            expiry::watch(&used.nodes, &subscriber.queue);
                        }
                        drop(subscriber.queue.append(copy));
                        used.nodes.bury_overflow(&subscriber.queue);
                    }
                }
            }
            // A sink keeps nothing.
            Node::Sink(_) => {}
        }
    }
}

/// The next action of a coordinator.
#[expect(clippy::large_enum_variant, reason = "it is on the stack for one turn of the loop")]
enum Next {
    Event(Result<Option<CoordinatorEvent>>),
    /// A settled message is handled.
    Handled,
}

/// Commits the transactions of a control link, until it is over.
pub(super) async fn coordinate(coordinator: Coordinator, parked: Arc<Parked>) {
    let mut requests: Vec<CommitRequest> = Vec::new();
    loop {
        let mut handled = pin!(parked.handled.notified());
        // What is handled from here on wakes.
        handled.as_mut().enable();
        let (ready, waiting) = requests
            .into_iter()
            .partition(|request| parked.has_handled(&request.id(), request.settled_postings()));
        requests = waiting;
        let ready: Vec<CommitRequest> = ready;
        ready.into_iter().for_each(|request| parked.commit(request));
        let mut event = pin!(coordinator.next());
        let next = poll_fn(|context| match event.as_mut().poll(context) {
            Poll::Ready(event) => Poll::Ready(Next::Event(event)),
            Poll::Pending => handled.as_mut().poll(context).map(|()| Next::Handled),
        });
        match next.await {
            Next::Event(Ok(Some(CoordinatorEvent::Commit(request)))) => requests.push(request),
            Next::Event(Ok(Some(CoordinatorEvent::RolledBack(id)))) => {
                requests.retain(|request| request.id() != id);
                parked.forget(&id);
            }
            Next::Event(Ok(Some(_))) | Next::Handled => {}
            Next::Event(Ok(None) | Err(_)) => return,
        }
    }
}
