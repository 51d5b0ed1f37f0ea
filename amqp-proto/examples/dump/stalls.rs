//! [`Stall`]: a time in which a connection waited, and for what.

use super::step::{Both, Side};

/// The thing that was waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The sender of this link had no credit.
    NoCredit(usize),
    /// The window of this session was closed.
    WindowClosed(usize),
    /// This end owed an answer and sent nothing.
    Silent(Side),
}

/// A time in which a connection waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stall {
    pub(crate) cause: Cause,
    /// The times in nanoseconds since the capture began.
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// True if the wait had not ended with the capture.
    pub(crate) is_open: bool,
}

/// Finds the waits for credit on a link, or for the window of a session.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    /// Since when nothing may be sent.
    since: Option<u64>,
    /// The wait that has ended. It was a stall if a transfer follows.
    ended: Option<(u64, u64)>,
}

impl Wait {
    /// Takes whether nothing may be sent from now on.
    pub(crate) fn set(&mut self, is_dry: bool, at: Option<u64>) {
        match (is_dry, self.since, at) {
            (true, None, Some(at)) => self.since = Some(at),
            (false, Some(since), Some(at)) => {
                self.ended = Some((since, at));
                self.since = None;
            }
            _ => {}
        }
    }

    /// Takes a transfer. Returns the wait before it.
    pub(crate) fn sent(&mut self) -> Option<(u64, u64)> {
        self.ended.take()
    }

    /// Returns since when nothing may be sent.
    pub(crate) fn since(&self) -> Option<u64> {
        self.since
    }
}

/// Finds the times in which an end owed an answer and sent nothing.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    since: Both<Option<u64>>,
}

impl Silence {
    /// Takes a frame that is no heartbeat. Returns the silence before it, if an answer was owed.
    pub(crate) fn spoke(&mut self, side: Side, at: Option<u64>) -> Option<(u64, u64)> {
        let since = self.since.of_mut(side).take();
        Some((since?, at?))
    }

    /// Takes whether this end owes an answer from now on.
    pub(crate) fn set(&mut self, side: Side, owes: bool, at: Option<u64>) {
        let since = self.since.of_mut(side);
        *since = if owes { since.or(at) } else { None };
    }

    pub(crate) fn since(&self, side: Side) -> Option<u64> {
        *self.since.of(side)
    }
}
