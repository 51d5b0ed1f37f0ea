//! [`Producer`]: a link on which a client sends to the broker.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use amqp_proto::endpoint::Result;
use amqp_proto::message::{MessageView, Payload};
use amqp_proto::types::{Limits, Str};
use amqp_proto::wire::{Condition, Error, Outcome, Rejected};

use super::letters::Reason;
use super::nodes::{Node, Nodes, Verdict};
use super::queue::{Queue, Stored};
use crate::receiver::Receiver;
use crate::waiters::Ticket;

/// A link on which a client sends.
pub(super) struct Producer {
    pub(super) nodes: Arc<Nodes>,
    pub(super) receiver: Receiver,
    /// Where messages go; `None` if each says so itself.
    pub(super) target: Option<Target>,
    /// How many messages have come.
    pub(super) count: usize,
}

/// The node that a link leads to.
pub(super) struct Target {
    pub(super) address: Str,
    pub(super) node: Node,
    /// Whether it was made for the link.
    pub(super) is_dynamic: bool,
}

impl Producer {
    /// Takes messages until the link ends. One waits until its node has room: the inbox fills, and credit runs out.
    pub(super) async fn run(mut self) -> Result<()> {
        let done = self.take_all().await;
        if let Some(Target { node: Node::Queue(queue), is_dynamic: true, .. }) = &self.target {
            self.nodes.remove(queue);
        }
        done
    }

    async fn take_all(&mut self) -> Result<()> {
        while let Some(delivery) = self.receiver.recv().await? {
            let outcome = self.route(delivery.payload()).await;
            self.count += 1;
            // The client is gone if it cannot be told, which the next receive says.
            let _ = delivery.dispose(&outcome.into());
        }
        Ok(())
    }

    /// Takes a message to where it goes.
    async fn route(&self, payload: Payload) -> Outcome {
        if let Some(target) = &self.target {
            return self.deliver(&target.node, &target.address, payload).await;
        }
        let view = MessageView::new(payload.clone(), &Limits::DEFAULT);
        match view.and_then(|view| view.properties()).map(|properties| properties.to) {
            Ok(Some(to)) => {
                let node = self.nodes.at(&to, &[]);
                self.deliver(&node, &to, payload).await
            }
            Ok(None) => {
                self.nodes.bury(payload, &Str::EMPTY, Reason::Undeliverable);
                rejected(Condition::NotFound, "the message does not say where to go")
            }
            Err(error) => {
                self.nodes.bury(payload, &Str::EMPTY, Reason::Undeliverable);
                rejected(error.condition(), &error.to_string())
            }
        }
    }

    async fn deliver(&self, node: &Node, address: &Str, payload: Payload) -> Outcome {
        match node {
            Node::Queue(queue) => {
                if !self.room(queue).await {
                    return Outcome::Released;
                }
                if queue.is_gone() {
                    self.nodes.bury(payload, address, Reason::NodeGone);
                    return rejected(Condition::ResourceDeleted, "the node is gone");
                }
                queue.push(Stored::new(payload, address.clone()));
                Outcome::Accepted
            }
            Node::Topic(topic) => {
                // Nobody misses a message: a topic is as slow as the slowest that listens.
                for subscriber in topic.subscribers() {
                    if self.room(&subscriber).await && !subscriber.is_gone() {
                        subscriber.push(Stored::new(payload.clone(), address.clone()));
                    }
                }
                Outcome::Accepted
            }
            Node::Sink(turns) => {
                let turn = turns.get(self.count % turns.len().max(1));
                turn.copied().unwrap_or(Verdict::Accepted).outcome()
            }
        }
    }

    /// Waits for room in a queue. There is none for messages of a client that is gone: it cannot be told to wait.
    async fn room(&self, queue: &Queue) -> bool {
        let mut place = Place(queue, None);
        let mut gone = pin!(self.receiver.closed());
        let room = poll_fn(|context| match place.0.poll_room(&mut place.1, context) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => gone.as_mut().poll(context).map(|_| false),
        });
        room.await
    }
}

/// A place in the line for room in a queue.
struct Place<'a>(&'a Queue, Option<Ticket>);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.leave(None, self.1);
    }
}

fn rejected(condition: Condition, words: &str) -> Outcome {
    let error = Error::new(condition).with_description(words);
    Rejected { error: Some(Box::new(error)) }.into()
}
