//! [`SendQueue`]: messages that a link cannot send yet, in order.

use alloc::collections::VecDeque;

use crate::config::SendOptions;
use crate::message::Message;

/// The default bound on a sender's queued octets.
pub(super) const QUEUE_OCTETS: usize = 1 << 20;

/// The queued messages of one sender.
#[derive(Debug, Default)]
pub(super) struct SendQueue {
    waiting: VecDeque<Waiting>,
    octets: usize,
}

/// A queued message.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Its number; numbers ascend.
    pub(super) number: u64,
    pub(super) message: Message,
    pub(super) options: SendOptions,
    octets: usize,
    /// `true` if it was sent on an earlier connection.
    pub(super) was_sent: bool,
}

impl Waiting {
    /// The memory of a message in addition to its octets.
    const OVERHEAD: usize = 256;

    pub(super) fn new(number: u64, message: Message, options: SendOptions) -> Self {
        let octets = message.encoded_len().saturating_add(Self::OVERHEAD);
        Self { number, message, options, octets, was_sent: false }
    }

    /// Returns the memory of the message.
    pub(super) fn octets(&self) -> usize {
        self.octets
    }
}

impl SendQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds a message if the bound allows it. An empty queue accepts a message of any size, unless the bound
    /// is zero.
    pub(super) fn push(&mut self, number: u64, message: Message, options: SendOptions, bound: usize) -> bool {
        let waiting = Waiting::new(number, message, options);
        let all = self.octets.saturating_add(waiting.octets);
        if bound == 0 || (all > bound && !self.is_empty()) {
            return false;
        }
        self.octets = all;
        self.waiting.push_back(waiting);
        true
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut Waiting> {
        self.waiting.front_mut()
    }

    /// Puts messages back that were sent before all others, whatever the bound.
    pub(super) fn put_back(&mut self, messages: impl Iterator<Item = Waiting>) {
        for message in messages {
            self.octets = self.octets.saturating_add(message.octets);
            self.waiting.push_back(Waiting { was_sent: true, ..message });
        }
        self.waiting.make_contiguous().sort_unstable_by_key(|waiting| waiting.number);
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let first = self.waiting.pop_front()?;
        self.octets = self.octets.saturating_sub(first.octets);
        Some(first)
    }

    pub(super) fn has(&self, number: u64) -> bool {
        self.waiting.binary_search_by_key(&number, |waiting| waiting.number).is_ok()
    }

    /// Removes a message.
    pub(super) fn remove(&mut self, number: u64) -> Option<Waiting> {
        let at = self.waiting.binary_search_by_key(&number, |waiting| waiting.number).ok()?;
        let found = self.waiting.remove(at)?;
        self.octets = self.octets.saturating_sub(found.octets);
        Some(found)
    }
}
