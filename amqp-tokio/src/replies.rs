//! [`Replies`]: when the peer has to have answered, and who waits for that.

use std::collections::BTreeMap;
use std::task::Waker;

use amqp_proto::types::Moment;

/// When a reply is due, and which one it is.
pub(crate) type Due = (Moment, u64);

/// Tasks that wait for the peer to answer in time. The driver keeps the time for them, so they need no runtime.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    count: u64,
    waiting: BTreeMap<Due, Waker>,
    /// Whether one is due earlier than all that the driver knew of when it fell asleep.
    pub(crate) is_earlier: bool,
}

impl Replies {
    /// Has a task woken when its reply is due. Gives a waker that is not needed any more, which is not to be dropped
    /// under the lock.
    #[must_use]
    pub(crate) fn wait(&mut self, due: &mut Option<Due>, by: Moment, waker: &Waker) -> Option<Waker> {
        let due = *due.get_or_insert_with(|| {
            self.count += 1;
            (by, self.count)
        });
        self.is_earlier |= self.waiting.first_key_value().is_none_or(|(first, _)| due < *first);
        self.waiting.insert(due, waker.clone())
    }

    /// The reply is there, or nobody waits for it any more.
    #[must_use]
    pub(crate) fn leave(&mut self, due: Due) -> Option<Waker> {
        self.waiting.remove(&due)
    }

    /// When the next reply is due.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.waiting.first_key_value().map(|((by, _), _)| *by)
    }

    /// Wakes whose replies are due.
    pub(crate) fn wake_due(&mut self, now: Moment, wakes: &mut Vec<Waker>) {
        while let Some(first) = self.waiting.first_entry().filter(|first| first.key().0 <= now) {
            wakes.push(first.remove());
        }
    }
}
