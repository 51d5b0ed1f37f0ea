//! [`Queue`]: messages that wait for consumers.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use amqp_proto::message::{Message, Payload};
use amqp_proto::types::Str;

use super::quota::Quota;
use super::stored::Stored;
use super::waiters::{Ticket, Waiters};

/// A queue with bounds on its messages and their octets.
///
/// A message counts until a consumer has decided on it, so that there is room for a message that comes back.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) address: Str,
    quota: Arc<Quota>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Stored>,
    /// The numbers of messages that are made on demand.
    unmade: Range<u32>,
    /// The number of messages in the queue or with a consumer, and their octets.
    held: usize,
    octets: usize,
    /// The tasks that wait for messages, and for room.
    takers: Waiters,
    givers: Waiters,
    /// True once the node has ended; then no task waits.
    is_gone: bool,
}

/// The result of adding a message.
#[derive(Debug)]
pub(super) enum Pushed {
    Done,
    /// The queues of the broker are full.
    Refused,
    /// The node has ended.
    Gone(Stored),
}

impl Queue {
    pub(super) fn new(address: Str, quota: Arc<Quota>) -> Self {
        Self { address, quota, state: Mutex::default() }
    }

    /// Makes a queue of this number of messages, which are made on demand.
    pub(super) fn numbered(address: Str, quota: Arc<Quota>, count: u32) -> Self {
        let state = State { unmade: 0..count, ..State::default() };
        Self { address, quota, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of waiting messages.
    pub(super) fn len(&self) -> usize {
        let state = self.lock();
        state.messages.len() + state.unmade.len()
    }

    pub(super) fn messages(&self) -> Vec<Payload> {
        self.lock().messages.iter().map(|stored| stored.payload.clone()).collect()
    }

    /// Works under the lock, and wakes tasks after it.
    fn with<R>(&self, work: impl FnOnce(&mut State, &mut Vec<Waker>) -> R) -> R {
        let mut wakes = Vec::new();
        let result = work(&mut self.lock(), &mut wakes);
        wakes.into_iter().for_each(Waker::wake);
        result
    }

    /// Adds a message at the end once there is room. An empty queue has room for every message.
    pub(super) fn poll_push(
        &self,
        message: &mut Option<Stored>,
        ticket: &mut Option<Ticket>,
        context: &Context<'_>,
    ) -> Poll<Pushed> {
        let bounds = &self.quota.bounds;
        let (poll, spent) = self.with(|state, wakes| {
            let octets = message.as_ref().map_or(0, Stored::octets);
            let is_full = state.held > 0
                && (state.held >= bounds.messages
                    || state.octets.saturating_add(octets) > bounds.queue_octets);
            if is_full && !state.is_gone {
                return (Poll::Pending, state.givers.wait(ticket, context.waker()));
            }
            let spent = ticket.take().and_then(|ticket| state.givers.leave(ticket));
            let Some(mut stored) = message.take() else { return (Poll::Ready(Pushed::Done), spent) };
            if state.is_gone {
                return (Poll::Ready(Pushed::Gone(stored)), spent);
            }
            if !stored.charge(&self.quota) {
                return (Poll::Ready(Pushed::Refused), spent);
            }
            state.held += 1;
            state.octets += octets;
            state.messages.push_back(stored);
            state.takers.wake_all(wakes);
            (Poll::Ready(Pushed::Done), spent)
        });
        drop(spent);
        poll
    }

    /// Puts messages back at the front, in order. Returns them if the node has ended.
    #[must_use]
    pub(super) fn put_back(&self, messages: Vec<Stored>) -> Vec<Stored> {
        self.with(|state, wakes| {
            if state.is_gone {
                return messages;
            }
            messages.into_iter().rev().for_each(|message| state.messages.push_front(message));
            state.takers.wake_all(wakes);
            Vec::new()
        })
    }

    /// Changes a message that a consumer has, and counts it again.
    pub(super) fn change<R>(
        &self,
        stored: &mut Stored,
        work: impl FnOnce(&mut Stored, &Arc<Quota>) -> R,
    ) -> R {
        let before = stored.octets();
        let result = work(stored, &self.quota);
        self.with(|state, _| state.octets = (state.octets + stored.octets()).saturating_sub(before));
        result
    }

    /// Frees the room of a message that a consumer has decided on.
    pub(super) fn done(&self, stored: &Stored) {
        self.with(|state, wakes| {
            state.held = state.held.saturating_sub(1);
            state.octets = state.octets.saturating_sub(stored.octets());
            state.givers.wake_all(wakes);
        });
    }

    /// Takes the oldest message for this consumer; `None` once the node has ended.
    pub(super) fn poll_take(
        &self,
        consumer: u64,
        ticket: &mut Option<Ticket>,
        context: &Context<'_>,
    ) -> Poll<Option<Stored>> {
        let (poll, spent) = self.with(|state, _| {
            let at = state.messages.iter().position(|stored| !stored.refused_by.contains(&consumer));
            let taken = at.and_then(|at| state.messages.remove(at)).or_else(|| self.make(state));
            if taken.is_some() || state.is_gone {
                (Poll::Ready(taken), ticket.take().and_then(|ticket| state.takers.leave(ticket)))
            } else {
                (Poll::Pending, state.takers.wait(ticket, context.waker()))
            }
        });
        drop(spent);
        poll
    }

    /// Makes the next numbered message.
    fn make(&self, state: &mut State) -> Option<Stored> {
        let number = state.unmade.next()?;
        let message = Message::from(format!("msg{number}")).with_message_id(u64::from(number));
        let payload = message.with_property("seq", number).to_payload().ok()?;
        let stored = Stored::new(payload, self.address.clone());
        state.held += 1;
        state.octets += stored.octets();
        Some(stored)
    }

    /// Leaves the lines of those that wait.
    pub(super) fn leave(&self, taker: Option<Ticket>, giver: Option<Ticket>) {
        let spent = self.with(|state, _| {
            let taker = taker.and_then(|ticket| state.takers.leave(ticket));
            (taker, giver.and_then(|ticket| state.givers.leave(ticket)))
        });
        drop(spent);
    }

    /// Forgets an ended consumer: no message is withheld from it any more.
    pub(super) fn forget(&self, consumer: u64) {
        self.with(|state, _| {
            state.messages.iter_mut().for_each(|stored| stored.refused_by.retain(|by| *by != consumer));
        });
    }

    /// Marks the node as ended, wakes all that wait, and returns the messages left.
    pub(super) fn close(&self) -> Vec<Stored> {
        self.with(|state, wakes| {
            state.is_gone = true;
            state.givers.wake_all(wakes);
            state.takers.wake_all(wakes);
            state.messages.drain(..).collect()
        })
    }
}
