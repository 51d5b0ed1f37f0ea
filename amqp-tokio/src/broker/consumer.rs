//! [`Consumer`]: a link on which a client receives from the broker.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use amqp_proto::endpoint::{Error, Outgoing};
use amqp_proto::machine::SendError;
use amqp_proto::types::DeliveryKey;
use amqp_proto::wire::{Condition, Error as AmqpError, Modified, Outcome};
use tokio::task::coop::consume_budget;

use super::letters::Reason;
use super::nodes::{Listening, Nodes};
use super::stored::Stored;
use crate::outcome::Tracked;
use crate::sender::Sender;
use crate::state::Place;
use crate::waiters::Ticket;

/// A link on which a client receives.
pub(super) struct Consumer {
    nodes: Arc<Nodes>,
    sender: Sender,
    listening: Listening,
    number: u64,
    /// What the client has and has not decided on.
    unsettled: BTreeMap<DeliveryKey, Stored>,
    /// Whether there are as many of those as there may be.
    is_full: bool,
    /// Whether some message is not to come to it again.
    has_refused: bool,
    /// Places in the lines of the queue and of the link.
    taking: Option<Ticket>,
    watching: Option<Ticket>,
}

/// What a consumer has to do next.
enum Next {
    Outcome(DeliveryKey, Tracked),
    Send(Stored),
    /// There is nothing for the credit that the client wants back.
    Drained,
    /// The link cannot go on.
    Close(Condition, &'static str),
    Over,
}

impl Consumer {
    pub(super) fn new(nodes: Arc<Nodes>, sender: Sender, listening: Listening) -> Self {
        let number = nodes.number();
        sender.keep_outcomes();
        Self {
            nodes,
            sender,
            listening,
            number,
            unsettled: BTreeMap::new(),
            is_full: false,
            has_refused: false,
            taking: None,
            watching: None,
        }
    }

    /// Sends messages as there is credit for them, until the link ends.
    pub(super) async fn run(mut self) {
        let (condition, words) = loop {
            // A client that keeps this link busy does not keep others waiting.
            consume_budget().await;
            let next = match poll_fn(|context| self.poll_next(context)).await {
                Next::Outcome(key, outcome) => self.settle(key, outcome),
                next => Some(next),
            };
            match next {
                Some(Next::Send(stored)) => self.send(stored),
                Some(Next::Drained) => self.sender.answer_drain(0),
                Some(Next::Close(condition, words)) => break (condition, words),
                Some(Next::Over) => return,
                Some(Next::Outcome(..)) | None => {}
            }
        };
        let sender = self.sender.clone();
        // What it has goes back at once, however long the client takes to answer.
        drop(self);
        let _ = sender.close_with(AmqpError::new(condition).with_description(words)).await;
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        let sender = self.sender.clone();
        let watched = sender.watch(&mut self.watching, context, |state| {
            if let Some((key, outcome)) = sender.next_outcome(state) {
                return Some(Watched::Outcome(key, outcome));
            }
            match sender.is_over(state) {
                true => Some(Watched::Over),
                false => None,
            }
        });
        match watched {
            Some(Watched::Outcome(key, outcome)) => return Poll::Ready(Next::Outcome(key, outcome)),
            Some(Watched::Over) => return Poll::Ready(Next::Over),
            None => {}
        }
        if self.is_full || !sender.may_send() {
            // Others may want what this one has no credit for.
            self.listening.queue.leave(self.taking.take(), None);
            return Poll::Pending;
        }
        match self.listening.queue.poll_take(self.number, &mut self.taking, context) {
            Poll::Ready(Some(stored)) => Poll::Ready(Next::Send(stored)),
            Poll::Ready(None) => Poll::Ready(Next::Close(Condition::ResourceDeleted, "the node is gone")),
            Poll::Pending if sender.is_draining() => Poll::Ready(Next::Drained),
            Poll::Pending => Poll::Pending,
        }
    }

    fn send(&mut self, mut stored: Stored) {
        let outgoing = stored.outgoing(&self.nodes.quota.limits);
        match self.sender.send_now(Outgoing::from(outgoing)) {
            Ok(sent) => {
                stored.is_seen = true;
                if sent.is_settled() {
                    self.listening.queue.done(&stored);
                } else {
                    self.unsettled.insert(sent.key(), stored);
                }
                if self.sender.has_drained() {
                    self.sender.answer_drain(self.listening.queue.len());
                }
            }
            // The client does not take messages that large: it is not asked again.
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

    /// Takes a decision of the client on a message, or that none comes. Gives what comes of that for the link.
    fn settle(&mut self, key: DeliveryKey, outcome: Tracked) -> Option<Next> {
        self.is_full = false;
        let outcome = match outcome {
            Tracked::Known(outcome) => outcome,
            Tracked::Undecided => Outcome::Released,
            // The link is over: all go back at once, in their order.
            Tracked::Lost | Tracked::Waiting(..) => return None,
        };
        let stored = self.unsettled.remove(&key)?;
        match outcome {
            Outcome::Rejected(rejected) => {
                self.listening.queue.done(&stored);
                let error = rejected.error.map(|error| *error);
                self.nodes.letters.bury(stored.payload, &stored.address, Reason::Rejected(error));
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
        let words = "more annotations than this broker adds to a message";
        added.is_err().then_some(Next::Close(Condition::ResourceLimitExceeded, words))
    }

    /// Notes that a message is not to come to this link again.
    fn refuse(&mut self, stored: &mut Stored) {
        stored.refused_by.push(self.number);
        self.has_refused = true;
    }

    fn put_back(&self, messages: Vec<Stored>) {
        let left = self.listening.queue.put_back(messages);
        // Of a topic that is gone there is nobody else to get its messages.
        if !self.listening.is_topic() {
            self.nodes.bury_all(left);
        }
    }
}

/// What has happened on a link.
enum Watched {
    Outcome(DeliveryKey, Tracked),
    Over,
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.sender.unwatch(self.watching);
        let queue = &self.listening.queue;
        queue.leave(self.taking, None);
        if self.has_refused {
            queue.forget(self.number);
        }
        let unsettled = std::mem::take(&mut self.unsettled).into_values().map(|mut stored| {
            // It was seen, and nobody knows what came of it.
            stored.failures = stored.failures.saturating_add(1);
            stored.refused_by.retain(|by| *by != self.number);
            stored
        });
        self.put_back(unsettled.collect());
    }
}

impl Sender {
    /// Has outcomes kept in the order in which they come, for one task that looks after all of them.
    fn keep_outcomes(&self) {
        self.guard().shared().with(|state| {
            if let Some(link) = state.links.get_mut(&self.key().into()) {
                link.outcomes = Some(std::collections::VecDeque::new());
            }
        });
    }

    /// Looks at the link, and waits for a change of it if there was nothing to see.
    fn watch<R>(
        &self,
        ticket: &mut Option<Ticket>,
        context: &Context<'_>,
        look: impl FnOnce(&mut crate::state::State) -> Option<R>,
    ) -> Option<R> {
        self.guard().shared().with(|state| {
            let seen = look(state);
            if seen.is_none() {
                state.wait(Place::Link(self.key().into()), ticket, context.waker());
            }
            seen
        })
    }

    fn unwatch(&self, ticket: Option<Ticket>) {
        if let Some(ticket) = ticket {
            self.guard().shared().with(|state| state.leave(Place::Link(self.key().into()), ticket));
        }
    }

    /// The next outcome, of whichever delivery.
    fn next_outcome(&self, state: &mut crate::state::State) -> Option<(DeliveryKey, Tracked)> {
        state.links.get_mut(&self.key().into())?.outcomes.as_mut()?.pop_front()
    }

    fn is_over(&self, state: &crate::state::State) -> bool {
        self.guard().over(state).is_some()
    }

    fn may_send(&self) -> bool {
        let mut state = self.guard().shared().lock();
        state.engine.sender(self.key()).is_ok_and(|mut sender| sender.is_sendable())
    }

    fn is_draining(&self) -> bool {
        let mut state = self.guard().shared().lock();
        state.engine.sender(self.key()).is_ok_and(|sender| sender.is_draining() && sender.credit() > 0)
    }

    /// Returns whether the receiver wants its credit back and all of it is used.
    fn has_drained(&self) -> bool {
        let mut state = self.guard().shared().lock();
        state.engine.sender(self.key()).is_ok_and(|sender| sender.is_draining() && sender.credit() == 0)
    }

    /// Answers a drain: gives back the credit that is left, and says how many messages wait for more.
    fn answer_drain(&self, waiting: usize) {
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        self.guard().shared().with(|state| {
            if let Ok(mut sender) = state.engine.sender(self.key()) {
                let _ = sender.set_available(waiting).and_then(|()| sender.drained());
            }
        });
    }
}
