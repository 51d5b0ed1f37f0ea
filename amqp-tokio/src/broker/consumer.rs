//! [`Consumer`]: a link on which a client receives from the broker.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use amqp_proto::SendError;
use amqp_proto::client::{Error, Outgoing, Result};
use amqp_proto::types::DeliveryKey;
use amqp_proto::wire::{AmqpError, Condition, Modified, Outcome};
use futures_core::Stream;
use tokio::task::coop::consume_budget;

use super::ends::{Orphan, SourceEnd};
use super::kept::Attachment;
use super::letters::DeadLetterReason;
use super::stored::Stored;
use crate::{Resumed, Sender, SentOutcomes};

/// A link on which a client receives.
pub(super) struct Consumer {
    sender: Sender,
    end: SourceEnd,
    /// Keeps the end after the link, if it outlives the link.
    attachment: Option<Attachment>,
    /// True if the client has as many deliveries without an outcome as allowed.
    is_full: bool,
    outcomes: SentOutcomes,
}

/// The next action of a consumer.
enum Next {
    Outcome(DeliveryKey, Result<Outcome>),
    /// A message from before the link was resumed is settled; without an outcome, it is not delivered.
    Resumed(Stored, Outcome),
    Send(Stored),
    /// There is no message for the credit in the drain.
    Drained,
    /// The link cannot continue.
    Close(Condition, &'static str),
    Over,
}

impl Consumer {
    pub(super) fn new(sender: Sender, end: SourceEnd, attachment: Option<Attachment>) -> Self {
        let outcomes = sender.outcomes();
        Self { sender, end, attachment, is_full: false, outcomes }
    }

    /// Sends messages within their credit, until the link ends.
    pub(super) async fn run(mut self) {
        let (condition, words) = loop {
            // A client that is always busy does not delay others.
            consume_budget().await;
            let next = match poll_fn(|context| self.poll_next(context)).await {
                Next::Outcome(key, outcome) => self.on_outcome(key, outcome),
                Next::Resumed(stored, outcome) => self.settle(stored, outcome),
                next => Some(next),
            };
            match next {
                Some(Next::Send(stored)) => self.send(stored),
                Some(Next::Drained) => self.answer_drain(0),
                Some(Next::Close(condition, words)) => break (condition, words),
                Some(Next::Over) => return self.leave(),
                Some(Next::Outcome(..) | Next::Resumed(..)) | None => {}
            }
        };
        let sender = self.sender.clone();
        // Its messages return at once, however long the client takes to answer.
        drop(self);
        let _ = sender.close_with(AmqpError::new(condition).with_description(words)).await;
    }

    /// Leaves a link that is over: its end is kept, or its messages return to the queue.
    fn leave(self) {
        let Self { sender, mut end, attachment, .. } = self;
        match (attachment, sender.take_state()) {
            (Some(attachment), Some(state)) => {
                end.suspend(&state);
                attachment.keep(Orphan::Source(state, Box::new(end)));
            }
            // Without a state, the link is closed and not only detached.
            (None, None) => {
                end.give_up();
                end.listening.end_subscription();
            }
            _ => {}
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        let next = match Pin::new(&mut self.outcomes).poll_next(context) {
            Poll::Ready(Some((key, outcome))) => return Poll::Ready(Next::Outcome(key, outcome)),
            Poll::Ready(None) => Some(Next::Over),
            Poll::Pending => None,
        };
        if let Some(next) = self.next_resumed().or(next) {
            return Poll::Ready(next);
        }
        if self.is_full || !self.sender.is_sendable() {
            // Another consumer may need the message for which this one has no credit.
            self.end.listening.queue.leave(self.end.taking.take(), None);
            return Poll::Pending;
        }
        match self.end.poll_take(context) {
            Poll::Ready(Some(stored)) => Poll::Ready(Next::Send(stored)),
            Poll::Ready(None) => {
                Poll::Ready(Next::Close(Condition::ResourceDeleted, "the node has been deleted"))
            }
            Poll::Pending
                if self.sender.is_draining() && self.sender.credit() > 0 && !self.end.is_looking =>
            {
                Poll::Ready(Next::Drained)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Returns the next settled message from before the link was resumed.
    fn next_resumed(&mut self) -> Option<Next> {
        while !self.end.sent.is_empty() {
            if self.end.news.is_empty() {
                self.end.news.extend(self.sender.take_resumed());
            }
            if let Resumed::Over { tag, outcome } = self.end.news.pop_front()?
                && let Some(stored) = self.end.sent.remove(&tag)
            {
                return Some(Next::Resumed(stored, outcome.unwrap_or(Outcome::Released)));
            }
        }
        None
    }

    fn send(&mut self, mut stored: Stored) {
        let outgoing = stored.outgoing(&self.end.nodes.quota.limits);
        match self.sender.try_send(Outgoing::from(outgoing)) {
            Ok(sent) => {
                stored.is_seen = true;
                if sent.is_settled() {
                    self.end.done(&stored);
                } else if !self.end.choice.is_browsing {
                    let tag = if self.attachment.is_some() { sent.tag() } else { None };
                    self.end.unsettled.insert(sent.key(), (stored, tag));
                }
                if self.sender.is_draining() && self.sender.credit() == 0 {
                    self.answer_drain(self.end.available());
                }
            }
            // The message exceeds the client's limit, or what can be kept for it. So the client does not get it again.
            Err(Error::Send(error))
                if matches!(error, SendError::TooLarge(_)) || self.is_too_large(&error) =>
            {
                self.end.refuse(&mut stored);
                self.end.put_back(vec![stored]);
            }
            Err(error) => {
                self.is_full = matches!(error, Error::Send(SendError::Kept(_)));
                self.end.keep_unsent(stored);
            }
        }
    }

    /// Returns true if a message cannot be kept although no other one is.
    fn is_too_large(&self, error: &SendError) -> bool {
        matches!(error, SendError::Kept(_)) && self.sender.unsettled() == 0
    }

    /// Handles an outcome of the client, or the loss of a delivery. Returns the consequence for the link, if any.
    fn on_outcome(&mut self, key: DeliveryKey, outcome: Result<Outcome>) -> Option<Next> {
        self.is_full = false;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            // The link is over: all messages return at once, in order.
            Err(Error::Lost(_)) => return None,
            Err(_) => Outcome::Released,
        };
        let (stored, _) = self.end.unsettled.remove(&key)?;
        self.settle(stored, outcome)
    }

    /// Handles an outcome for a message. Returns the consequence for the link, if any.
    fn settle(&mut self, stored: Stored, outcome: Outcome) -> Option<Next> {
        self.is_full = false;
        match outcome {
            Outcome::Rejected(rejected) => {
                self.end.done(&stored);
                let error = rejected.error.map(|error| *error);
                self.end.nodes.bury(stored, DeadLetterReason::Rejected(error));
                None
            }
            Outcome::Released => {
                self.end.put_back(vec![stored]);
                None
            }
            Outcome::Modified(modified) => self.modify(stored, &modified),
            _ => {
                self.end.done(&stored);
                None
            }
        }
    }

    fn modify(&mut self, mut stored: Stored, modified: &Modified) -> Option<Next> {
        stored.failures = stored.failures.saturating_add(u32::from(modified.delivery_failed == Some(true)));
        if modified.undeliverable_here == Some(true) {
            self.end.refuse(&mut stored);
        }
        let added = self
            .end
            .listening
            .queue
            .change(&mut stored, |stored, quota| stored.annotate(&modified.message_annotations, quota));
        self.end.put_back(vec![stored]);
        let words = "the outcome adds more annotations than the broker allows";
        added.is_err().then_some(Next::Close(Condition::ResourceLimitExceeded, words))
    }

    /// Answers a drain: returns the rest of the credit, and announces the number of waiting messages.
    fn answer_drain(&self, waiting: usize) {
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        // The link may have ended meanwhile; the next call finds that.
        let _ = self.sender.set_available(waiting).and_then(|()| self.sender.drained());
    }
}
