//! [`Consumer`]: a link on which a client receives from the broker.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use amqp_proto::endpoint::Error;
use amqp_proto::types::DeliveryKey;
use amqp_proto::wire::Outcome;

use super::letters::Reason;
use super::nodes::{Listening, Nodes};
use super::queue::{Stored, add};
use crate::outcome::Tracked;
use crate::sender::Sender;
use crate::state::Place;
use crate::waiters::Ticket;
use amqp_proto::endpoint::Outgoing;

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
            taking: None,
            watching: None,
        }
    }

    /// Sends messages as there is credit for them, until the link ends.
    pub(super) async fn run(mut self) {
        loop {
            match poll_fn(|context| self.poll_next(context)).await {
                Next::Outcome(key, outcome) => self.settle(key, outcome),
                Next::Send(stored) => self.send(stored),
                Next::Drained => self.sender.give_back_credit(),
                Next::Over => return,
            }
        }
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
            Poll::Ready(stored) => Poll::Ready(Next::Send(stored)),
            Poll::Pending if sender.is_draining() => Poll::Ready(Next::Drained),
            Poll::Pending => Poll::Pending,
        }
    }

    fn send(&mut self, mut stored: Stored) {
        match self.sender.send_now(Outgoing::from(stored.outgoing())) {
            Ok(sent) => {
                stored.is_seen = true;
                if !sent.is_settled() {
                    self.unsettled.insert(sent.key(), stored);
                }
            }
            // The client does not take messages that large: it is not asked again.
            Err(Error::Send(amqp_proto::machine::SendError::TooLarge(_))) => {
                stored.refused_by.push(self.number);
                self.listening.queue.put_back([stored].into_iter());
            }
            Err(error) => {
                self.is_full = matches!(error, Error::Send(amqp_proto::machine::SendError::Unsettled(_)));
                self.listening.queue.put_back([stored].into_iter());
            }
        }
    }

    /// The client has decided on a message, or is gone.
    fn settle(&mut self, key: DeliveryKey, outcome: Tracked) {
        self.is_full = false;
        let outcome = match outcome {
            Tracked::Known(outcome) => outcome,
            Tracked::Undecided => Outcome::Released,
            // The link is over: all go back at once, in their order.
            Tracked::Lost | Tracked::Waiting(..) => return,
        };
        let Some(mut stored) = self.unsettled.remove(&key) else { return };
        match outcome {
            Outcome::Rejected(rejected) => {
                let error = rejected.error.map(|error| *error);
                self.nodes.bury(stored.payload, &stored.address, Reason::Rejected(error));
            }
            Outcome::Released => self.listening.queue.put_back([stored].into_iter()),
            Outcome::Modified(modified) => {
                stored.failures += u32::from(modified.delivery_failed == Some(true));
                if modified.undeliverable_here == Some(true) {
                    stored.refused_by.push(self.number);
                }
                add(&mut stored.annotations, &modified.message_annotations);
                self.listening.queue.put_back([stored].into_iter());
            }
            _ => {}
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
        self.listening.queue.leave(self.taking, None);
        let unsettled = std::mem::take(&mut self.unsettled).into_values();
        self.listening.queue.put_back(unsettled.map(|mut stored| {
            // It was seen, and nobody knows what came of it.
            stored.failures += 1;
            stored
        }));
        self.listening.end(&self.nodes);
    }
}

impl Sender {
    /// Has outcomes kept in the order in which they come, for one task that looks after all of them.
    fn keep_outcomes(&self) {
        self.guard().shared().with(|state| {
            if let Some(link) = state.links.get_mut(&self.key().into()) {
                link.outcomes = Some(std::collections::VecDeque::new());
                link.drains_by_hand = true;
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

    /// There is nothing to be sent for the credit that the receiver wants back.
    fn give_back_credit(&self) {
        self.guard().shared().with(|state| {
            if let Ok(mut sender) = state.engine.sender(self.key()) {
                let _ = sender.drained();
            }
        });
    }
}
