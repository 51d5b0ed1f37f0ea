//! [`Timers`]: the timers of a handler.

use alloc::collections::BTreeMap;

use crate::types::Moment;

/// The timers of a container, in the order of their times, then in the order in which they were set.
#[derive(Debug, Default)]
pub(super) struct Timers {
    ids: BTreeMap<(Moment, u64), u64>,
    set: u64,
}

impl Timers {
    pub(super) fn set(&mut self, at: Moment, id: u64) {
        self.ids.insert((at, self.set), id);
        self.set += 1;
    }

    pub(super) fn cancel(&mut self, id: u64) {
        self.ids.retain(|_, set| *set != id);
    }

    pub(super) fn clear(&mut self) {
        self.ids.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(super) fn next(&self) -> Option<Moment> {
        self.ids.first_key_value().map(|((at, _), _)| *at)
    }

    /// Returns the number of timers set so far.
    pub(super) fn count(&self) -> u64 {
        self.set
    }

    /// Removes a timer that is due and is one of the first `count` timers.
    pub(super) fn take(&mut self, now: Moment, count: u64) -> Option<u64> {
        let first = self.ids.first_entry()?;
        let (at, number) = *first.key();
        (at <= now && number < count).then(|| first.remove())
    }
}
