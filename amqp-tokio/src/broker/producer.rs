//! [`Producer`]: a link on which a client sends to the broker.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use amqp_proto::types::{DeliveryTag, Str, TransactionId};
use amqp_proto::wire::{AmqpError, Condition, DeliveryState, Outcome, Rejected};
use tokio::task::coop::consume_budget;

use super::arrival::Arrival;
use super::ends::{Orphan, TargetEnd};
use super::expiry;
use super::kept::Attachment;
use super::letters::DeadLetterReason;
use super::node::{Kind, Node, Use, Verdict};
use super::parked::{Parked, Posting};
use super::queue::{Pushed, Queue};
use super::stored::{Place, Stored};
use super::topic::Topic;
use super::waiters::Ticket;
use crate::Delivery;
use crate::Receiver;

/// A link on which a client sends.
pub(super) struct Producer {
    pub(super) receiver: Receiver,
    pub(super) end: TargetEnd,
    /// Keeps the end after the link, if it outlives the link.
    pub(super) attachment: Option<Attachment>,
    /// The number of the connection.
    pub(super) connection: u64,
    /// The messages that the client has posted in transactions.
    pub(super) parked: Arc<Parked>,
    /// The number of received messages.
    pub(super) count: usize,
}

impl Producer {
    /// Receives messages until the link ends. Each waits until its node has room; meanwhile, credit runs out.
    pub(super) async fn run(mut self) {
        // The outcome that the client was not told.
        let mut untold = None;
        while let Ok(Some(delivery)) = self.receiver.recv().await {
            // A client that is always busy does not delay others.
            consume_budget().await;
            let outcome = self.route(&delivery).await;
            self.count = self.count.wrapping_add(1);
            let tag = delivery.tag();
            // A transaction ends with the connection, so an outcome in it is over, too.
            let is_posted = matches!(delivery.state(), Some(DeliveryState::Transactional(_)));
            // If the client is gone, the next receive says so.
            if delivery.dispose(&outcome.clone().into()).is_err() {
                untold = Some((tag, if is_posted { Outcome::Released } else { outcome }));
            }
        }
        self.leave(untold);
    }

    /// Leaves a link that is over: its end is kept, if it outlives the link.
    fn leave(self, untold: Option<(DeliveryTag, Outcome)>) {
        let (Some(attachment), Some(mut state)) = (self.attachment, self.receiver.take_state()) else {
            return;
        };
        match untold {
            // The client sends the message again.
            Some((tag, Outcome::Released)) => drop(state.forget(&tag)),
            Some((tag, outcome)) => drop(state.set_outcome(&tag, outcome)),
            None => {}
        }
        attachment.keep(Orphan::Target(state, Box::new(self.end)));
    }

    /// Sends a message to the node of the link, or to the node that it names.
    async fn route(&self, delivery: &Delivery) -> Outcome {
        if let Some(DeliveryState::Transactional(state)) = delivery.state() {
            return self.post(&state.txn_id, delivery);
        }
        let arrival = Arrival::of(delivery);
        match &self.end.used {
            Some(used) => self.deliver(used, arrival).await,
            None => self.relay(delivery, arrival).await,
        }
    }

    /// Keeps a message until its transaction is committed.
    fn post(&self, id: &TransactionId, delivery: &Delivery) -> Outcome {
        let outcome = if self.receiver.coordinates(id) {
            self.park(id, delivery)
        } else {
            rejected(Condition::UnknownTransaction, "there is no such transaction")
        };
        if delivery.is_settled() {
            self.parked.settled(id, outcome == Outcome::Accepted);
        }
        if !self.receiver.coordinates(id) {
            // It has ended meanwhile, and nothing else drops what was just added.
            self.parked.forget(id);
        }
        outcome
    }

    fn park(&self, id: &TransactionId, delivery: &Delivery) -> Outcome {
        let nodes = &self.end.nodes;
        let address = match &self.end.used {
            Some(Use { node: Node::Sink(turns), .. }) => return self.verdict(turns),
            Some(used) => used.address.clone(),
            None => match delivery.message().and_then(|view| Ok(view.properties()?.to)) {
                Ok(Some(to)) => to,
                Ok(None) => return rejected(Condition::NotFound, "the message has no to address"),
                Err(error) => return rejected(Condition::DecodeError, &error.to_string()),
            },
        };
        // The node stays while the message waits.
        let used = match nodes.at(&address, Kind::Any) {
            Ok(Use { node: Node::Sink(turns), .. }) => return self.verdict(turns),
            Ok(used) => used,
            Err(error) => return Rejected { error: Some(Box::new(error)) }.into(),
        };
        let mut stored = self.stored(Arrival::of(delivery), &used.address);
        if !stored.charge(&nodes.quota) {
            return no_room();
        }
        self.parked.add(id, Posting { used, stored });
        Outcome::Accepted
    }

    /// Returns the outcome of a sink for the next message.
    fn verdict(&self, turns: &[Verdict]) -> Outcome {
        let turn = turns.get(self.count % turns.len().max(1));
        turn.copied().unwrap_or(Verdict::Accepted).outcome()
    }

    /// Sends a message to the node that it names.
    async fn relay(&self, delivery: &Delivery, arrival: Arrival) -> Outcome {
        let to = match delivery.message().and_then(|view| Ok(view.properties()?.to)) {
            Ok(Some(to)) => to,
            Ok(None) => {
                let error = AmqpError::new(Condition::NotFound);
                return self.undeliverable(arrival, error.with_description("the message has no to address"));
            }
            Err(error) => {
                let error = AmqpError::new(Condition::DecodeError).with_description(error.to_string());
                return self.undeliverable(arrival, error);
            }
        };
        match self.end.nodes.at(&to, Kind::Any) {
            Ok(used) => self.deliver(&used, arrival).await,
            Err(error) => self.undeliverable(arrival, error),
        }
    }

    fn undeliverable(&self, arrival: Arrival, error: AmqpError) -> Outcome {
        self.end.nodes.letters.bury(arrival.payload, &Str::EMPTY, DeadLetterReason::Undeliverable);
        Rejected { error: Some(Box::new(error)) }.into()
    }

    async fn deliver(&self, used: &Use, arrival: Arrival) -> Outcome {
        match &used.node {
            Node::Queue(queue) => match self.push(queue, self.stored(arrival, &used.address)).await {
                // The client is gone, and the outcome does not reach it.
                None => Outcome::Released,
                Some(Pushed::Done) => Outcome::Accepted,
                Some(Pushed::Refused) => no_room(),
                Some(Pushed::Gone(stored)) => {
                    self.end.nodes.bury_all(vec![stored]);
                    gone()
                }
            },
            Node::Topic(topic) => self.publish(topic, &self.stored(arrival, &used.address)).await,
            Node::Sink(turns) => self.verdict(turns),
        }
    }

    #[inline]
    fn stored(&self, arrival: Arrival, address: &Str) -> Stored {
        let mut stored = Stored::new(arrival.payload, address.clone(), self.connection);
        stored.place = Place::of_priority(arrival.priority);
        stored.set_expiry(arrival.expiry);
        stored
    }

    /// Copies a message to each subscription that wants it. A topic is as slow as its slowest link; a subscription without
    /// a link drops its oldest messages in place of that.
    async fn publish(&self, topic: &Topic, stored: &Stored) -> Outcome {
        let Some(subscribers) = topic.subscribers() else { return gone() };
        let mut outcome = Outcome::Accepted;
        for subscriber in subscribers {
            if !subscriber.wants(stored, &self.end.nodes.quota.limits) {
                continue;
            }
            match self.push(&subscriber.queue, stored.copy()).await {
                Some(Pushed::Refused) => outcome = no_room(),
                Some(Pushed::Done) => self.end.nodes.bury_overflow(&subscriber.queue),
                Some(Pushed::Gone(_)) | None => {}
            }
        }
        outcome
    }

    /// Adds a message to a queue once there is room; `None` if the client goes away first.
    async fn push(&self, queue: &Arc<Queue>, stored: Stored) -> Option<Pushed> {
        let (mut place, mut message) = (LinePlace(queue, None), Some(stored));
        if message.as_ref().is_some_and(|stored| stored.expires.is_some()) {
            expiry::watch(&self.end.nodes, queue);
        }
        let mut gone = pin!(self.receiver.closed());
        let pushed = poll_fn(|context| match place.0.poll_push(&mut message, &mut place.1, context) {
            Poll::Ready(pushed) => Poll::Ready(Some(pushed)),
            Poll::Pending => gone.as_mut().poll(context).map(|_| None),
        });
        pushed.await
    }
}

/// A place in the line of those that wait for room in a queue.
struct LinePlace<'a>(&'a Queue, Option<Ticket>);

impl Drop for LinePlace<'_> {
    fn drop(&mut self) {
        self.0.leave(None, self.1);
    }
}

fn rejected(condition: Condition, words: &str) -> Outcome {
    let error = AmqpError::new(condition).with_description(words);
    Rejected { error: Some(Box::new(error)) }.into()
}

fn gone() -> Outcome {
    rejected(Condition::ResourceDeleted, "the node has been deleted")
}

fn no_room() -> Outcome {
    rejected(Condition::ResourceLimitExceeded, "the limit on octets in the broker is reached")
}
