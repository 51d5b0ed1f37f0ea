//! [`Waiters`]: the threads that wait, and for what.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::thread::{self, Thread};

use amqp_proto::types::{DeliveryKey, LinkKey, ReceiverKey, SenderKey, SessionKey};
use smallvec::SmallVec;

/// What a thread can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum On {
    /// The connection being open, over, or through with its transport.
    Connection,
    /// The peer wanting a session or link.
    Offer,
    /// A session being begun or over.
    Session(SessionKey),
    /// A link being attached, detached or drained, or a delivery on it settled by its sender.
    Link(LinkKey),
    /// A sender being able to send.
    Sendable(SenderKey),
    /// A message being there.
    Inbox(ReceiverKey),
    /// Output being written.
    Written,
    /// The outcome of a delivery.
    Outcome(SenderKey, DeliveryKey),
}

/// Threads that are parked until what they wait for has happened. One waits for one thing at a time.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    queues: Keyed<On, SmallVec<[Thread; 1]>>,
    /// Those that are to be unparked once the lock is given back.
    woken: Vec<Thread>,
}

impl Waiters {
    /// This thread waits, unless it does already.
    pub(crate) fn enter(&mut self, on: On) {
        let me = thread::current();
        let queue = self.queues.entry(on).or_default();
        if queue.iter().all(|waiter| waiter.id() != me.id()) {
            queue.push(me);
        }
    }

    /// This thread does not wait any more.
    pub(crate) fn leave(&mut self, on: On) {
        if self.queues.is_empty() {
            return;
        }
        let me = thread::current().id();
        if let Some(queue) = self.queues.get_mut(&on) {
            queue.retain(|waiter| waiter.id() != me);
            if queue.is_empty() {
                self.queues.remove(&on);
            }
        }
    }

    /// Wakes who has waited longest.
    pub(crate) fn wake_one(&mut self, on: On) {
        if self.queues.is_empty() {
            return;
        }
        let Some(queue) = self.queues.get_mut(&on) else { return };
        if queue.len() > 1 {
            self.woken.push(queue.remove(0));
        } else {
            self.wake_all(on);
        }
    }

    /// Wakes all who wait for this.
    pub(crate) fn wake_all(&mut self, on: On) {
        if self.queues.is_empty() {
            return;
        }
        self.woken.extend(self.queues.remove(&on).into_iter().flatten());
    }

    /// Wakes all who wait for anything of a link, which has ended.
    pub(crate) fn wake_link(&mut self, link: LinkKey) {
        self.wake_where(|on| match on {
            On::Link(key) => *key == link,
            On::Sendable(key) | On::Outcome(key, _) => LinkKey::Sender(*key) == link,
            On::Inbox(key) => LinkKey::Receiver(*key) == link,
            On::Connection | On::Offer | On::Session(_) | On::Written => false,
        });
    }

    /// Wakes all who want to send.
    pub(crate) fn wake_senders(&mut self) {
        self.wake_where(|on| matches!(on, On::Sendable(_)));
    }

    /// Wakes everybody.
    pub(crate) fn wake_everybody(&mut self) {
        self.wake_where(|_| true);
    }

    fn wake_where(&mut self, which: impl Fn(&On) -> bool) {
        let woken = &mut self.woken;
        self.queues.retain(|on, queue| {
            let stays = !which(on);
            if !stays {
                woken.extend(queue.drain(..));
            }
            stays
        });
    }

    /// Whether there are any to be unparked.
    pub(crate) fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }

    /// Those that are to be unparked.
    pub(crate) fn take_woken(&mut self) -> Vec<Thread> {
        std::mem::take(&mut self.woken)
    }
}

/// A map by keys of the engine.
pub(crate) type Keyed<K, V> = HashMap<K, V, BuildHasherDefault<Quick>>;

/// A hasher for keys that no peer chooses: a multiplication for each word.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, octets: &[u8]) {
        octets.iter().for_each(|octet| self.write_u64((*octet).into()));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        /// Odd, with its bits well mixed: 2^64 by the golden ratio.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0 ^ word).wrapping_mul(FACTOR).rotate_left(26);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word.unsigned_abs() as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
