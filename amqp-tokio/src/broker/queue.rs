//! [`Queue`]: messages that wait for consumers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use amqp_proto::message::{Message, Payload};
use amqp_proto::types::{Limits, Str};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::choice::Choice;
use super::quota::Quota;
use super::search::Search;
use super::stored::{Place, Stored};
use super::waiters::{Ticket, Waiters};

/// A queue with bounds on its messages and their octets.
///
/// A message counts until a consumer has decided on it, so that there is room for a message that comes back.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) address: Str,
    quota: Arc<Quota>,
    /// True if this is the queue of a subscription to a topic.
    is_subscription: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In the order of their places.
    messages: VecDeque<Stored>,
    /// The number of the next message.
    next: u64,
    /// The progress of the consumers that do not want all messages, by their numbers.
    searches: BTreeMap<u64, Search>,
    /// The messages that expire, by time.
    expiring: BTreeSet<(Instant, Place)>,
    /// Tells the task that removes them of a change; `None` until there was such a message.
    watcher: Option<Arc<Notify>>,
    /// The numbers of messages that are made on demand.
    unmade: Range<u32>,
    /// The number of messages in the queue or with a consumer, and their octets.
    held: usize,
    octets: usize,
    /// The number of links that are attached to it.
    links: usize,
    /// The tasks that wait for messages, and for room.
    takers: Waiters,
    givers: Waiters,
    /// True once the node has ended; then no task waits.
    is_gone: bool,
}

/// The most messages that are removed in one turn, since they have expired.
const EXPIRIES: usize = 64;

/// The number of no connection.
const NOBODY: u64 = u64::MAX;

/// The most messages that a consumer looks at in one turn.
const LOOKS: usize = 256;

/// The result of adding a message.
#[derive(Debug)]
pub(super) enum Pushed {
    Done,
    /// The queues of the broker are full.
    Refused,
    /// The node has ended.
    Gone(Stored),
}

impl State {
    /// Adds a message behind those of its priority.
    #[inline]
    fn push(&mut self, mut stored: Stored) {
        stored.place.number = self.next;
        self.next += 1;
        self.held += 1;
        // A message like all others is the last.
        if stored.expires.is_none() && self.messages.back().is_none_or(|last| last.place < stored.place) {
            self.messages.push_back(stored);
        } else {
            self.insert(stored);
        }
    }

    /// Adds a message at its place.
    fn insert(&mut self, stored: Stored) {
        let place = stored.place;
        if let Some(at) = stored.expires {
            let entry = (at, place);
            self.expiring.insert(entry);
            if self.expiring.first() == Some(&entry) {
                self.watcher.iter().for_each(|watcher| watcher.notify_one());
            }
        }
        let at = self.messages.partition_point(|other| other.place < place);
        self.messages.insert(at, stored);
    }

    fn remove(&mut self, at: usize) -> Option<Stored> {
        if let Some(Stored { expires: Some(expires), place, .. }) = self.messages.get(at) {
            self.expiring.remove(&(*expires, *place));
        }
        self.messages.remove(at)
    }

    /// Removes the oldest waiting message of the lowest priority.
    fn remove_least(&mut self) -> Option<Stored> {
        let last = self.messages.back()?.place;
        let at = self.messages.partition_point(|stored| stored.place.rank < last.rank);
        let stored = self.remove(at)?;
        self.held = self.held.saturating_sub(1);
        self.octets = self.octets.saturating_sub(stored.octets());
        Some(stored)
    }

    /// Returns the time, if messages may have expired.
    fn clock(&self) -> Option<Instant> {
        (!self.expiring.is_empty()).then(Instant::now)
    }

    /// Puts a message back at its place.
    fn put_back(&mut self, stored: Stored) {
        let place = stored.place;
        self.insert(stored);
        for search in self.searches.values_mut() {
            search.came_back(place, &self.messages);
        }
    }

    /// Takes the first message that this consumer wants, or copies it if the consumer is browsing. Sets `is_looking` to
    /// true if not all messages were looked at.
    fn search(
        &mut self,
        consumer: u64,
        choice: &Choice,
        limits: &Limits,
        is_looking: &mut bool,
    ) -> Option<Stored> {
        let now = self.clock();
        let search = self.searches.entry(consumer).or_default();
        for _ in 0..LOOKS {
            let at = search.next(&self.messages)?;
            let stored = self.messages.get(at)?;
            search.look(stored.place);
            if stored.is_for(consumer, now) && choice.wants(stored, limits) {
                return if choice.is_browsing { Some(stored.copy()) } else { self.remove(at) };
            }
        }
        *is_looking = true;
        None
    }
}

impl Queue {
    pub(super) fn new(address: Str, quota: Arc<Quota>) -> Self {
        Self { address, quota, is_subscription: false, state: Mutex::default() }
    }

    /// Makes the queue of a subscription to a topic.
    pub(super) fn subscription(address: Str, quota: Arc<Quota>) -> Self {
        Self { address, quota, is_subscription: true, state: Mutex::default() }
    }

    /// Makes a queue of this number of messages, which are made on demand.
    pub(super) fn numbered(address: Str, quota: Arc<Quota>, count: u32) -> Self {
        let state = State { unmade: 0..count, ..State::default() };
        Self { address, quota, is_subscription: false, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of waiting messages.
    pub(super) fn len(&self) -> usize {
        let state = self.lock();
        state.messages.len() + state.unmade.len()
    }

    /// Returns true if no message waits or is with a consumer.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.held == 0 && state.unmade.is_empty()
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

    /// Adds a message once there is room. An empty queue has room for every message, and a subscription without a link for
    /// any number: [`overflow`](Self::overflow) takes what is too much.
    pub(super) fn poll_push(
        &self,
        message: &mut Option<Stored>,
        ticket: &mut Option<Ticket>,
        context: &Context<'_>,
    ) -> Poll<Pushed> {
        let (poll, spent) = self.with(|state, wakes| {
            let octets = message.as_ref().map_or(0, Stored::octets);
            if self.is_full(state, octets) && !state.is_gone && !self.is_idle(state) {
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
            state.octets += octets;
            state.push(stored);
            state.takers.wake_all(wakes);
            (Poll::Ready(Pushed::Done), spent)
        });
        drop(spent);
        poll
    }

    /// Returns true if a message of this size has to wait for room.
    fn is_full(&self, state: &State, octets: usize) -> bool {
        let bounds = &self.quota.bounds;
        state.held > 0
            && (state.held >= bounds.messages || state.octets.saturating_add(octets) > bounds.queue_octets)
    }

    /// Returns true if this is a subscription without a link, which delays nobody.
    fn is_idle(&self, state: &State) -> bool {
        self.is_subscription && state.links == 0
    }

    /// Removes what exceeds the bounds, if this is a subscription without a link: the oldest messages of its lowest
    /// priority.
    pub(super) fn overflow(&self) -> Vec<Stored> {
        let bounds = &self.quota.bounds;
        self.with(|state, _| {
            let mut removed = Vec::new();
            while self.is_idle(state)
                && state.held > 1
                && (state.held > bounds.messages || state.octets > bounds.queue_octets)
                && let Some(stored) = state.remove_least()
            {
                removed.push(stored);
            }
            removed
        })
    }

    /// Counts a link that is attached.
    pub(super) fn attach(&self) {
        self.with(|state, _| state.links += 1);
    }

    /// Counts a link that is attached no more. If it was the last of a subscription, nobody waits for room there.
    pub(super) fn detach(&self) {
        self.with(|state, wakes| {
            state.links = state.links.saturating_sub(1);
            if self.is_idle(state) {
                state.givers.wake_all(wakes);
            }
        });
    }

    /// Adds a message if there is room, and returns something if it was added.
    pub(super) fn try_push(&self, mut stored: Stored) -> Option<()> {
        self.with(|state, wakes| {
            let octets = stored.octets();
            if state.is_gone || self.is_full(state, octets) || !stored.charge(&self.quota) {
                return None;
            }
            state.octets += octets;
            state.push(stored);
            state.takers.wake_all(wakes);
            Some(())
        })
    }

    /// Adds a message that has its room already, of a committed transaction, whatever the bounds of the queue. Returns it if
    /// the node has ended.
    pub(super) fn append(&self, stored: Stored) -> Option<Stored> {
        self.with(|state, wakes| {
            if state.is_gone {
                return Some(stored);
            }
            state.octets += stored.octets();
            state.push(stored);
            state.takers.wake_all(wakes);
            None
        })
    }

    /// Puts messages back at their places. Returns them if the node has ended.
    #[must_use]
    pub(super) fn put_back(&self, messages: Vec<Stored>) -> Vec<Stored> {
        self.with(|state, wakes| {
            if state.is_gone {
                return messages;
            }
            messages.into_iter().rev().for_each(|message| state.put_back(message));
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

    /// Frees the room of a message that a consumer has decided on. Returns true if it was the last message.
    pub(super) fn done(&self, stored: &Stored) -> bool {
        self.with(|state, wakes| {
            state.held = state.held.saturating_sub(1);
            state.octets = state.octets.saturating_sub(stored.octets());
            state.givers.wake_all(wakes);
            state.held == 0
        })
    }

    /// Takes the first message, for a consumer that wants all; `None` once the node has ended.
    pub(super) fn poll_take(
        &self,
        consumer: u64,
        ticket: &mut Option<Ticket>,
        context: &Context<'_>,
    ) -> Poll<Option<Stored>> {
        let (poll, spent) = self.with(|state, _| {
            let now = state.clock();
            let at = state.messages.iter().position(|stored| stored.is_for(consumer, now));
            let taken = at.and_then(|at| state.remove(at)).or_else(|| self.make(state));
            if taken.is_some() || state.is_gone {
                (Poll::Ready(taken), ticket.take().and_then(|ticket| state.takers.leave(ticket)))
            } else {
                (Poll::Pending, state.takers.wait(ticket, context.waker()))
            }
        });
        drop(spent);
        poll
    }

    /// Takes the first message that this consumer wants; `None` once the node has ended.
    ///
    /// Sets `is_looking` to true if not all messages were looked at. Then the task is woken at once.
    pub(super) fn poll_search(
        &self,
        consumer: u64,
        choice: &Choice,
        is_looking: &mut bool,
        ticket: &mut Option<Ticket>,
        context: &Context<'_>,
    ) -> Poll<Option<Stored>> {
        *is_looking = false;
        let (poll, spent) = self.with(|state, _| {
            let taken = state.search(consumer, choice, &self.quota.limits, is_looking);
            if taken.is_some() || state.is_gone {
                (Poll::Ready(taken), ticket.take().and_then(|ticket| state.takers.leave(ticket)))
            } else if *is_looking {
                (Poll::Pending, None)
            } else {
                (Poll::Pending, state.takers.wait(ticket, context.waker()))
            }
        });
        drop(spent);
        if *is_looking {
            context.waker().wake_by_ref();
        }
        poll
    }

    /// Has a consumer look again at a message that it could not use.
    pub(super) fn look_again(&self, consumer: u64, place: Place) {
        let mut state = self.lock();
        let State { searches, messages, .. } = &mut *state;
        if let Some(search) = searches.get_mut(&consumer) {
            search.came_back(place, messages);
        }
    }

    /// Returns the number of messages that this consumer would look at, or get.
    pub(super) fn available(&self, consumer: u64, choice: &Choice) -> usize {
        let state = self.lock();
        match state.searches.get(&consumer) {
            Some(search) if !choice.is_plain() => search.left(&state.messages),
            _ => state.messages.len() + state.unmade.len(),
        }
    }

    /// Makes the next numbered message.
    fn make(&self, state: &mut State) -> Option<Stored> {
        let number = state.unmade.next()?;
        let message = Message::from(format!("msg{number}")).with_message_id(u64::from(number));
        let payload = message.with_property("seq", number).to_payload().ok()?;
        let mut stored = Stored::new(payload, self.address.clone(), NOBODY);
        stored.place.number = number.into();
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

    /// Forgets what an ended consumer has looked at, and which messages are withheld from it.
    pub(super) fn forget(&self, consumer: u64) {
        self.with(|state, _| {
            state.searches.remove(&consumer);
            state.messages.iter_mut().for_each(|stored| stored.forget(consumer));
        });
    }

    /// Returns what tells of changes, for a task that removes what expires; `None` if there is such a task.
    pub(super) fn begin_watch(&self) -> Option<Arc<Notify>> {
        self.with(|state, _| {
            let is_first = state.watcher.is_none();
            is_first.then(|| Arc::clone(state.watcher.insert(Arc::default())))
        })
    }

    /// Returns the time at which the next message expires.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.lock().expiring.first().map(|(at, _)| *at)
    }

    /// Removes messages that have expired, as many as one turn allows.
    pub(super) fn expired(&self) -> Vec<Stored> {
        let now = Instant::now();
        self.with(|state, wakes| {
            let mut expired = Vec::new();
            while expired.len() < EXPIRIES
                && let Some((at, place)) = state.expiring.first().copied()
                && at <= now
            {
                state.expiring.remove(&(at, place));
                let found = state.messages.binary_search_by_key(&place, |stored| stored.place);
                let Some(stored) = found.ok().and_then(|at| state.messages.remove(at)) else { continue };
                state.held = state.held.saturating_sub(1);
                state.octets = state.octets.saturating_sub(stored.octets());
                expired.push(stored);
            }
            if !expired.is_empty() {
                state.givers.wake_all(wakes);
            }
            expired
        })
    }

    /// Marks the node as ended, wakes all that wait, and returns the messages left.
    pub(super) fn close(&self) -> Vec<Stored> {
        self.with(|state, wakes| {
            state.is_gone = true;
            state.expiring.clear();
            state.givers.wake_all(wakes);
            state.takers.wake_all(wakes);
            state.messages.drain(..).collect()
        })
    }
}

impl Drop for Queue {
    /// Ends the task that removes what expires.
    fn drop(&mut self) {
        self.lock().watcher.iter().for_each(|watcher| watcher.notify_one());
    }
}
