//! [`ReceiverSet`]: several receivers whose messages are taken in turn.

use alloc::vec::Vec;
use core::task::Poll;

use super::delivery::Delivery;
use super::line::Ticket;
use super::receiver::Receiver;
use super::state::LineId;
use super::wake::Wake;
use crate::client::Result;

/// A receiver of a set.
#[derive(Debug)]
struct Member<W: Wake, K> {
    key: K,
    receiver: Receiver<W>,
    /// The place in the line for messages, while the set waits.
    ticket: Option<Ticket>,
}

impl<W: Wake, K> Member<W, K> {
    /// Takes the next message, without waiting.
    fn look(&mut self) -> Poll<Result<Option<Delivery<W>>>> {
        self.receiver.guard.hub().with(|state| self.receiver.poll_take(state))
    }

    fn poll(&mut self, waiter: &W) -> Poll<Result<Option<Delivery<W>>>> {
        let Self { receiver, ticket, .. } = self;
        let guard = &receiver.guard;
        guard.hub().attempt(LineId::Turn(guard.slot), ticket, waiter, |state| receiver.poll_take(state))
    }

    /// Leaves the line for messages: another waiter gets the message that this one was woken for.
    fn leave(&mut self) {
        let guard = &self.receiver.guard;
        guard.hub().leave(LineId::Turn(guard.slot), &mut self.ticket);
    }
}

impl<W: Wake, K> Drop for Member<W, K> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Several receivers, of any sessions and connections, whose messages are taken in turn.
#[derive(Debug)]
pub struct ReceiverSet<W: Wake, K> {
    members: Vec<Member<W, K>>,
    /// The index of the receiver that is asked first.
    next: usize,
}

impl<W: Wake, K> Default for ReceiverSet<W, K> {
    fn default() -> Self {
        Self { members: Vec::new(), next: 0 }
    }
}

impl<W: Wake, K: Clone> ReceiverSet<W, K> {
    /// Adds a receiver. Its messages come with this key, which several receivers can share.
    ///
    /// The set has a handle of the link, which keeps it open.
    pub fn insert(&mut self, key: K, receiver: &Receiver<W>) {
        self.members.push(Member { key, receiver: receiver.clone(), ticket: None });
    }

    /// Removes all receivers with this key. Their messages that were not taken stay with their other handles.
    ///
    /// Returns `true` if there were any.
    pub fn remove(&mut self, key: &K) -> bool
    where
        K: PartialEq,
    {
        let before = self.members.len();
        self.members.retain(|member| member.key != *key);
        self.members.len() < before
    }

    /// Returns the number of receivers.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns `true` if the set has no receiver.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns the next message and the key of its receiver, if a message has arrived.
    ///
    /// The receiver after the one of the last message is asked first, so that a busy receiver keeps no other waiting. A
    /// receiver whose link has ended leaves the set after its last message; if the link has ended with an error, that
    /// is returned once, with the key.
    pub fn try_recv(&mut self) -> Option<(K, Result<Delivery<W>>)> {
        self.take(Member::look)
    }

    /// Returns a wait for the next message, which is over when it is dropped.
    pub fn turn(this: &mut Self) -> NextOfSet<'_, W, K> {
        NextOfSet(this)
    }

    /// Asks each receiver, until one has a message or has failed.
    fn take(
        &mut self,
        mut ask: impl FnMut(&mut Member<W, K>) -> Poll<Result<Option<Delivery<W>>>>,
    ) -> Option<(K, Result<Delivery<W>>)> {
        for _ in 0..self.members.len() {
            self.next = if self.next < self.members.len() { self.next } else { 0 };
            let member = self.members.get_mut(self.next)?;
            let Poll::Ready(taken) = ask(member) else {
                self.next += 1;
                continue;
            };
            let item = taken.transpose().map(|item| (member.key.clone(), item));
            match item {
                Some((_, Ok(_))) => self.next += 1,
                _ => drop(self.members.remove(self.next)),
            }
            if item.is_some() {
                return item;
            }
        }
        None
    }
}

/// A wait for the next message of a set. Dropping it takes no message.
#[derive(Debug)]
pub struct NextOfSet<'a, W: Wake, K>(&'a mut ReceiverSet<W, K>);

impl<W: Wake, K: Clone> NextOfSet<'_, W, K> {
    /// Polls for the next message; `None` if the set has no receiver left.
    pub fn poll(&mut self, waiter: &W) -> Poll<Option<(K, Result<Delivery<W>>)>> {
        // Mostly a message is there, and no line is joined for it.
        let item = self.0.take(Member::look).or_else(|| self.0.take(|member| member.poll(waiter)));
        if item.is_some() || self.0.members.is_empty() { Poll::Ready(item) } else { Poll::Pending }
    }
}

impl<W: Wake, K> Drop for NextOfSet<'_, W, K> {
    fn drop(&mut self) {
        self.0.members.iter_mut().for_each(Member::leave);
    }
}
