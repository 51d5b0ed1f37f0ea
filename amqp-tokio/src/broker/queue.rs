//! [`Queue`]: messages that wait for consumers.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use amqp_proto::message::{MessageView, Payload, Rewrite};
use amqp_proto::types::{AnnotationKey, Annotations, Limits, Str, Value};

use crate::waiters::{Ticket, Waiters};

/// A message, and what has happened to it here.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) payload: Payload,
    /// The queue that it came to.
    pub(super) address: Str,
    /// How many attempts to deliver it have failed here.
    pub(super) failures: u32,
    /// Whether some consumer may have seen it.
    pub(super) is_seen: bool,
    /// What consumers have added to its annotations.
    pub(super) annotations: Annotations,
    /// Consumers that it is not to go to any more.
    pub(super) refused_by: Vec<u64>,
}

impl Stored {
    pub(super) fn new(payload: Payload, address: Str) -> Self {
        Self {
            payload,
            address,
            failures: 0,
            is_seen: false,
            annotations: Annotations::default(),
            refused_by: Vec::new(),
        }
    }

    /// The octets as the next consumer gets them: the header counts failures and says who is first [3.2.1].
    pub(super) fn outgoing(&self) -> Payload {
        if !self.is_seen {
            return self.payload.clone();
        }
        self.rewritten().unwrap_or_else(|| self.payload.clone())
    }

    /// Nothing, if it is no message of the standard's format: that goes on as it is.
    fn rewritten(&self) -> Option<Payload> {
        let view = MessageView::new(self.payload.clone(), &Limits::DEFAULT).ok()?;
        let mut header = view.header().ok()?;
        header.delivery_count = header.delivery_count.saturating_add(self.failures);
        header.first_acquirer = false;
        let mut rewrite = Rewrite { header: Some(header), ..Rewrite::default() };
        if !self.annotations.is_empty() {
            let mut annotations = view.message_annotations().ok()?;
            add(&mut annotations, &self.annotations);
            rewrite.message_annotations = Some(annotations);
        }
        view.rewrite(&rewrite).ok()
    }
}

/// Adds annotations to others, instead of those of the same name.
pub(super) fn add(annotations: &mut Annotations, more: &Annotations) {
    for (key, value) in more.iter() {
        let key = match key {
            Value::Symbol(name) => AnnotationKey::Symbol(name.clone()),
            Value::Ulong(number) => AnnotationKey::Ulong(*number),
            // No other can be a key of theirs.
            _ => continue,
        };
        annotations.insert(key, value.clone());
    }
}

/// A queue of bounded depth.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) address: Str,
    depth: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Stored>,
    /// Who waits for messages, and who for room.
    takers: Waiters,
    givers: Waiters,
    /// Whether the node is gone: what waits for it goes on at once.
    is_gone: bool,
}

impl Queue {
    pub(super) fn new(address: Str, depth: usize) -> Self {
        Self { address, depth: depth.max(1), state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().messages.len()
    }

    pub(super) fn messages(&self) -> Vec<Payload> {
        self.lock().messages.iter().map(|stored| stored.payload.clone()).collect()
    }

    /// Wakes outside of the lock.
    fn with<R>(&self, work: impl FnOnce(&mut State, &mut Vec<Waker>) -> R) -> R {
        let mut wakes = Vec::new();
        let result = work(&mut self.lock(), &mut wakes);
        wakes.into_iter().for_each(Waker::wake);
        result
    }

    /// Waits until there is room.
    pub(super) fn poll_room(&self, ticket: &mut Option<Ticket>, context: &Context<'_>) -> Poll<()> {
        let (poll, spent) = self.with(|state, _| {
            if state.messages.len() < self.depth || state.is_gone {
                (Poll::Ready(()), ticket.take().and_then(|ticket| state.givers.leave(ticket)))
            } else {
                (Poll::Pending, state.givers.wait(ticket, context.waker()))
            }
        });
        drop(spent);
        poll
    }

    /// Adds a message behind all others.
    pub(super) fn push(&self, message: Stored) {
        self.with(|state, wakes| {
            state.messages.push_back(message);
            state.takers.wake_all(wakes);
        });
    }

    /// Puts messages back in front, in their order: room is not asked for, as they had some before.
    pub(super) fn put_back(&self, messages: impl DoubleEndedIterator<Item = Stored>) {
        self.with(|state, wakes| {
            messages.rev().for_each(|message| state.messages.push_front(message));
            state.takers.wake_all(wakes);
        });
    }

    /// Takes the oldest message that may go to this consumer.
    pub(super) fn poll_take(
        &self,
        consumer: u64,
        ticket: &mut Option<Ticket>,
        context: &Context<'_>,
    ) -> Poll<Stored> {
        let (poll, spent) = self.with(|state, wakes| {
            let at = state.messages.iter().position(|stored| !stored.refused_by.contains(&consumer));
            match at.and_then(|at| state.messages.remove(at)) {
                Some(stored) => {
                    state.givers.wake_all(wakes);
                    (Poll::Ready(stored), ticket.take().and_then(|ticket| state.takers.leave(ticket)))
                }
                None => (Poll::Pending, state.takers.wait(ticket, context.waker())),
            }
        });
        drop(spent);
        poll
    }

    /// Does not wait any more.
    pub(super) fn leave(&self, taker: Option<Ticket>, giver: Option<Ticket>) {
        let spent = self.with(|state, _| {
            let taker = taker.and_then(|ticket| state.takers.leave(ticket));
            (taker, giver.and_then(|ticket| state.givers.leave(ticket)))
        });
        drop(spent);
    }

    /// The node is gone: nobody waits for it any more. Gives what is left.
    pub(super) fn close(&self) -> Vec<Stored> {
        self.with(|state, wakes| {
            state.is_gone = true;
            state.givers.wake_all(wakes);
            state.messages.drain(..).collect()
        })
    }

    pub(super) fn is_gone(&self) -> bool {
        self.lock().is_gone
    }
}
