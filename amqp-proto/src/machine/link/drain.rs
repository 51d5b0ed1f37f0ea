//! [`Draining`]: when a sender gives credit back that its receiver drains [2.6.7].
//!
//! The application hears of the drain as of new credit, and may use it. What it uses in time goes out first; each
//! message gives it more time. The decision stands here, so that all drivers take the same: they only keep the time.

use crate::config::Options;
use crate::machine::endpoints::Endpoints;
use crate::types::{Key, Moment};

/// What the options of a connection say of the credit of its links.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CreditOptions {
    /// How many milliseconds credit that is to be drained stays unused before it is given back.
    pub(crate) pause: u32,
    /// Whether senders may count credit that is renewed on top of what they had.
    pub(crate) is_lenient: bool,
}

impl CreditOptions {
    pub(crate) fn of(options: &Options) -> Self {
        Self { pause: options.drain_pause, is_lenient: options.lenient_credit }
    }
}

/// A sender whose receiver drains its credit, and when that is given back if the sender has sent nothing since the last
/// look.
#[derive(Debug)]
pub(crate) struct Draining {
    link: Key,
    by: Moment,
}

impl Endpoints {
    /// Gives a sender time to use the credit that its receiver drains.
    pub(crate) fn delay_drain(&mut self, index: u32) {
        let by = self.now.after(self.credit.pause.into());
        let Some(link) = self.links.at(index) else { return };
        let key = link.key;
        let Some(sender) = link.sender() else { return };
        sender.seen = sender.count();
        if !core::mem::replace(&mut sender.is_delayed, true) {
            self.draining.push_back(Draining { link: key, by });
        }
    }

    /// When credit is to be given back next: all wait equally long, so the first has waited longest.
    pub(crate) fn next_drain(&self) -> Option<Moment> {
        self.draining.front().map(|draining| draining.by)
    }

    /// Gives credit back that was not used in time.
    pub(crate) fn end_drains(&mut self) {
        let again = self.now.after(self.credit.pause.into());
        for _ in 0..self.draining.len() {
            if self.next_drain().is_none_or(|by| by > self.now) {
                return;
            }
            let Some(Draining { link: key, .. }) = self.draining.pop_front() else { return };
            let Some(sender) = self.links.get_mut(key).and_then(|link| link.sender()) else { continue };
            sender.is_delayed = false;
            if !sender.drain_due {
                continue;
            }
            // The application has used some, or waits for room to use more.
            if sender.count() != sender.seen || sender.sending.is_some() || sender.waits {
                sender.seen = sender.count();
                sender.is_delayed = true;
                self.draining.push_back(Draining { link: key, by: again });
            } else {
                sender.has_drained = true;
                self.drain_answer_due(key.index);
            }
        }
    }
}
