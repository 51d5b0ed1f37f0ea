//! The broker's ends of links: a source or a target, with all that outlives a link.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};

use amqp_proto::UnsettledDelivery;
use amqp_proto::types::{DeliveryKey, DeliveryTag};
use amqp_proto::wire::{Source, Target};

use super::choice::Choice;
use super::node::Use;
use super::nodes::{Listening, Nodes};
use super::stored::Stored;
use super::waiters::Ticket;
use crate::{LinkState, Resumed};

/// The broker's end of a link on which a client receives.
#[derive(Debug)]
pub(super) struct SourceEnd {
    pub(super) nodes: Arc<Nodes>,
    /// The source in the broker's attach.
    pub(super) source: Source,
    pub(super) listening: Listening,
    /// The messages of the queue that the client wants.
    pub(super) choice: Choice,
    /// The number of the consumer.
    number: u64,
    /// True if some message must not come to this consumer again.
    has_refused: bool,
    /// The client's deliveries without an outcome, each with its tag if it can be kept. None are copies, whose outcomes do
    /// not matter.
    pub(super) unsettled: BTreeMap<DeliveryKey, (Stored, Option<DeliveryTag>)>,
    /// Those from before the link was resumed. Tags rise.
    pub(super) sent: BTreeMap<DeliveryTag, Stored>,
    /// The news about them.
    pub(super) news: VecDeque<Resumed>,
    /// The place in the queue's line.
    pub(super) taking: Option<Ticket>,
    /// True if there are messages in the queue that were not looked at.
    pub(super) is_looking: bool,
}

impl SourceEnd {
    pub(super) fn new(nodes: Arc<Nodes>, source: Source, listening: Listening, choice: Choice) -> Self {
        let number = nodes.number();
        Self {
            nodes,
            source,
            listening,
            choice,
            number,
            has_refused: false,
            unsettled: BTreeMap::new(),
            sent: BTreeMap::new(),
            news: VecDeque::new(),
            taking: None,
            is_looking: false,
        }
    }

    /// Takes the next message from the queue; `None` once the node has ended.
    pub(super) fn poll_take(&mut self, context: &Context<'_>) -> Poll<Option<Stored>> {
        let Self { number, choice, is_looking, taking, listening, .. } = self;
        if choice.is_plain() {
            return listening.queue.poll_take(*number, taking, context);
        }
        listening.queue.poll_search(*number, choice, is_looking, taking, context)
    }

    /// Returns the number of messages that the client could get.
    pub(super) fn available(&self) -> usize {
        self.listening.queue.available(self.number, &self.choice)
    }

    /// Frees the room of a message that the client has decided on, unless the queue still has it.
    pub(super) fn done(&self, stored: &Stored) {
        if !self.choice.is_browsing && self.listening.queue.done(stored) {
            self.listening.emptied();
        }
    }

    /// Sets the connection over which the client has attached the link again.
    pub(super) fn resume(&mut self, connection: u64) {
        self.choice.set_connection(connection);
        self.listening.resume(connection);
    }

    /// Records that a message must not come to this consumer again.
    pub(super) fn refuse(&mut self, stored: &mut Stored) {
        stored.refuse(self.number);
        self.has_refused = true;
    }

    /// Puts messages back into the queue, unless they are copies.
    pub(super) fn put_back(&self, messages: Vec<Stored>) {
        if messages.is_empty() || self.choice.is_browsing {
            return;
        }
        let left = self.listening.queue.put_back(messages);
        // The messages of a topic's queue have no other consumer.
        if !self.listening.is_topic() {
            self.nodes.bury_all(left);
        }
    }

    /// Puts a message back that could not be sent now.
    pub(super) fn keep_unsent(&self, stored: Stored) {
        if self.choice.is_browsing {
            self.listening.queue.look_again(self.number, stored.place);
        } else {
            self.put_back(vec![stored]);
        }
    }

    /// Puts back the messages that the client has, without an outcome.
    pub(super) fn give_up(&mut self) {
        let (sent, unsettled) = (std::mem::take(&mut self.sent), std::mem::take(&mut self.unsettled));
        let unsettled = unsettled.into_values().map(|(stored, _)| stored);
        let messages = sent.into_values().chain(unsettled).map(|mut stored| {
            // The consumer has seen the message, with unknown effect.
            stored.failures = stored.failures.saturating_add(1);
            stored.forget(self.number);
            stored
        });
        self.put_back(messages.collect());
    }

    /// Leaves a link that has ended in this state. Messages that are not in it return to the queue.
    pub(super) fn suspend(&mut self, state: &LinkState) {
        self.listening.queue.leave(self.taking.take(), None);
        self.listening.suspend();
        self.news.clear();
        let mut held = std::mem::take(&mut self.sent);
        for (key, (stored, tag)) in std::mem::take(&mut self.unsettled) {
            match tag {
                Some(tag) => drop(held.insert(tag, stored)),
                None => drop(self.unsettled.insert(key, (stored, None))),
            }
        }
        let tags = state.deliveries().iter().map(UnsettledDelivery::tag);
        let kept: BTreeMap<_, _> = tags.filter_map(|tag| Some((tag, held.remove(&tag)?))).collect();
        self.sent = held;
        self.give_up();
        self.sent = kept;
    }
}

impl Drop for SourceEnd {
    fn drop(&mut self) {
        self.listening.queue.leave(self.taking.take(), None);
        if self.has_refused || !self.choice.is_plain() {
            self.listening.queue.forget(self.number);
        }
        self.give_up();
    }
}

/// The broker's end of a link on which a client sends.
#[derive(Debug)]
pub(super) struct TargetEnd {
    pub(super) nodes: Arc<Nodes>,
    /// The target in the broker's attach.
    pub(super) target: Target,
    /// The node that messages go to; `None` if each message names it.
    pub(super) used: Option<Use>,
}

/// An end of a link that is not attached.
#[derive(Debug)]
pub(super) enum Orphan {
    Source(LinkState, Box<SourceEnd>),
    Target(LinkState, Box<TargetEnd>),
}
