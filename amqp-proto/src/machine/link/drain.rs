//! [`Draining`]: the time at which a sender returns credit that its receiver drains [2.6.7].
//!
//! The application gets the drain as new credit, and may use it. The messages that it sends in time go out
//! first, and each extends the time. The decision is made here, so that all drivers behave alike; they only
//! provide the time.

use crate::config::Options;
use crate::machine::endpoints::Endpoints;
use crate::types::{Key, LinkIx, Moment};

/// The connection's options about the credit of its links.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CreditOptions {
    /// The milliseconds between a drain request and the return of unused credit.
    pub(crate) pause: u32,
    /// `true` if senders may add renewed credit to what they had.
    pub(crate) is_lenient: bool,
}

impl CreditOptions {
    pub(crate) fn of(options: &Options) -> Self {
        Self { pause: options.drain_pause, is_lenient: options.lenient_credit }
    }
}

/// A sender whose receiver drains its credit, and the time at which unused credit is returned.
#[derive(Debug)]
pub(crate) struct Draining {
    link: Key<LinkIx>,
    by: Moment,
}

impl Endpoints {
    /// Gives a sender time to use the credit that its receiver drains.
    pub(crate) fn delay_drain(&mut self, index: LinkIx) {
        let by = self.now.after(self.credit.pause.into());
        let Some(link) = self.links.at(index) else { return };
        let key = link.key;
        let Some(sender) = link.sender() else { return };
        sender.seen = sender.count();
        if !core::mem::replace(&mut sender.is_delayed, true) {
            self.draining.push_back(Draining { link: key, by });
        }
    }

    /// Returns the time of the next return of credit. All wait equally long, so the first has waited longest.
    pub(crate) fn next_drain(&self) -> Option<Moment> {
        self.draining.front().map(|draining| draining.by)
    }

    /// Returns credit that was not used in time.
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
            // The application has used some of it, or waits for room to use more.
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
