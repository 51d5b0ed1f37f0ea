//! [`Consumer`]: a link on which a client receives from the broker.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use amqp_proto::SendError;
use amqp_proto::client::{Error, Outgoing, Result};
use amqp_proto::types::DeliveryKey;
use amqp_proto::wire::{AmqpError, Condition, Modified, Outcome};
use futures_core::Stream;
use tokio::task::coop::consume_budget;

use super::letters::DeadLetterReason;
use super::nodes::{Listening, Nodes};
use super::stored::Stored;
use super::waiters::Ticket;
use crate::Sender;
use crate::SentOutcomes;

/// A link on which a client receives.
pub(super) struct Consumer {
    nodes: Arc<Nodes>,
    sender: Sender,
    listening: Listening,
    number: u64,
    /// The client's deliveries without an outcome.
    unsettled: BTreeMap<DeliveryKey, Stored>,
    /// True if there are as many of those as allowed.
    is_full: bool,
    /// True if some message must not come to this consumer again.
    has_refused: bool,
    /// The consumer's place in the queue's line.
    taking: Option<Ticket>,
    outcomes: SentOutcomes,
}

/// The next action of a consumer.
enum Next {
    Outcome(DeliveryKey, Result<Outcome>),
    Send(Stored),
    /// There is no message for the credit in the drain.
    Drained,
    /// The link cannot continue.
    Close(Condition, &'static str),
    Over,
}

impl Consumer {
    pub(super) fn new(nodes: Arc<Nodes>, sender: Sender, listening: Listening) -> Self {
        let number = nodes.number();
        let outcomes = sender.outcomes();
        Self {
            nodes,
            sender,
            listening,
            number,
            unsettled: BTreeMap::new(),
            is_full: false,
            has_refused: false,
            taking: None,
            outcomes,
        }
    }

    /// Sends messages within their credit, until the link ends.
    pub(super) async fn run(mut self) {
        let (condition, words) = loop {
            // A client that is always busy does not delay others.
            consume_budget().await;
            let next = match poll_fn(|context| self.poll_next(context)).await {
                Next::Outcome(key, outcome) => self.settle(key, outcome),
                next => Some(next),
            };
            match next {
                Some(Next::Send(stored)) => self.send(stored),
                Some(Next::Drained) => self.answer_drain(0),
                Some(Next::Close(condition, words)) => break (condition, words),
                Some(Next::Over) => return,
                Some(Next::Outcome(..)) | None => {}
            }
        };
        let sender = self.sender.clone();
        // Its messages return at once, however long the client takes to answer.
        drop(self);
        let _ = sender.close_with(AmqpError::new(condition).with_description(words)).await;
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        match Pin::new(&mut self.outcomes).poll_next(context) {
            Poll::Ready(Some((key, outcome))) => return Poll::Ready(Next::Outcome(key, outcome)),
            Poll::Ready(None) => return Poll::Ready(Next::Over),
            Poll::Pending => {}
        }
        if self.is_full || !self.sender.is_sendable() {
            // Another consumer may need the message for which this one has no credit.
            self.listening.queue.leave(self.taking.take(), None);
            return Poll::Pending;
        }
        match self.listening.queue.poll_take(self.number, &mut self.taking, context) {
            Poll::Ready(Some(stored)) => Poll::Ready(Next::Send(stored)),
            Poll::Ready(None) => {
                Poll::Ready(Next::Close(Condition::ResourceDeleted, "the node has been deleted"))
            }
            Poll::Pending if self.sender.is_draining() && self.sender.credit() > 0 => {
                Poll::Ready(Next::Drained)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn send(&mut self, mut stored: Stored) {
        let outgoing = stored.outgoing(&self.nodes.quota.limits);
        match self.sender.try_send(Outgoing::from(outgoing)) {
            Ok(sent) => {
                stored.is_seen = true;
                if sent.is_settled() {
                    self.listening.queue.done(&stored);
                } else {
                    self.unsettled.insert(sent.key(), stored);
                }
                if self.sender.is_draining() && self.sender.credit() == 0 {
                    self.answer_drain(self.listening.queue.len());
                }
            }
            // The message exceeds the client's limit, so the client does not get it again.
            Err(Error::Send(SendError::TooLarge(_))) => {
                self.refuse(&mut stored);
                self.put_back(vec![stored]);
            }
            Err(error) => {
                self.is_full = matches!(error, Error::Send(SendError::Unsettled(_)));
                self.put_back(vec![stored]);
            }
        }
    }

    /// Handles an outcome of the client, or the loss of a delivery. Returns the consequence for the link, if any.
    fn settle(&mut self, key: DeliveryKey, outcome: Result<Outcome>) -> Option<Next> {
        self.is_full = false;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            // The link is over: all messages return at once, in order.
            Err(Error::Lost(_)) => return None,
            Err(_) => Outcome::Released,
        };
        let stored = self.unsettled.remove(&key)?;
        match outcome {
            Outcome::Rejected(rejected) => {
                self.listening.queue.done(&stored);
                let error = rejected.error.map(|error| *error);
                self.nodes.letters.bury(stored.payload, &stored.address, DeadLetterReason::Rejected(error));
                None
            }
            Outcome::Released => {
                self.put_back(vec![stored]);
                None
            }
            Outcome::Modified(modified) => self.modify(stored, &modified),
            _ => {
                self.listening.queue.done(&stored);
                None
            }
        }
    }

    fn modify(&mut self, mut stored: Stored, modified: &Modified) -> Option<Next> {
        stored.failures = stored.failures.saturating_add(u32::from(modified.delivery_failed == Some(true)));
        if modified.undeliverable_here == Some(true) {
            self.refuse(&mut stored);
        }
        let added = self
            .listening
            .queue
            .change(&mut stored, |stored, quota| stored.annotate(&modified.message_annotations, quota));
        self.put_back(vec![stored]);
        let words = "the outcome adds more annotations than the broker allows";
        added.is_err().then_some(Next::Close(Condition::ResourceLimitExceeded, words))
    }

    /// Answers a drain: returns the rest of the credit, and announces the number of waiting messages.
    fn answer_drain(&self, waiting: usize) {
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        // The link may have ended meanwhile; the next call finds that.
        let _ = self.sender.set_available(waiting).and_then(|()| self.sender.drained());
    }

    /// Records that a message must not come to this link again.
    fn refuse(&mut self, stored: &mut Stored) {
        stored.refused_by.push(self.number);
        self.has_refused = true;
    }

    fn put_back(&self, messages: Vec<Stored>) {
        let left = self.listening.queue.put_back(messages);
        // The messages of a topic's queue have no other consumer.
        if !self.listening.is_topic() {
            self.nodes.bury_all(left);
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let queue = &self.listening.queue;
        queue.leave(self.taking, None);
        if self.has_refused {
            queue.forget(self.number);
        }
        let unsettled = std::mem::take(&mut self.unsettled).into_values().map(|mut stored| {
            // The consumer has seen the message, with unknown effect.
            stored.failures = stored.failures.saturating_add(1);
            stored.refused_by.retain(|by| *by != self.number);
            stored
        });
        self.put_back(unsettled.collect());
    }
}
