//! [`Status`]: the connection as it is lost and opened again.

use alloc::sync::Arc;
use core::task::Poll;
use std::collections::VecDeque;

use super::hub::Hub;
use super::line::Ticket;
use super::state::{LineId, State};
use super::wake::Wake;
use crate::client::CloseReason;
use crate::types::Str;

/// The number of changes that are kept for an observer that is slow.
const MOST: usize = 64;

/// A change of a connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Status {
    /// The connection is open.
    Connected,
    /// The connection was lost, and is opened again.
    Interrupted(CloseReason),
    /// A server is dialled.
    Reconnecting {
        /// The number of the attempt since the connection was lost; the first is 1.
        attempt: u32,
        /// The URL of the server, without user, password and path.
        address: Str,
    },
    /// The peer has kept nothing of a link that was to be resumed.
    NotResumed {
        /// The name of the link.
        link: Str,
    },
    /// The connection is over, and is not opened again.
    Failed(CloseReason),
}

/// The changes of a connection, by number.
#[derive(Debug, Default)]
pub(super) struct StatusLog {
    /// The number of the first change that is kept.
    first: u64,
    kept: VecDeque<Status>,
}

impl StatusLog {
    pub(super) fn push(&mut self, status: Status) {
        if self.kept.len() == MOST {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back(status);
    }

    /// Returns the first kept change from a number on, and the number after it.
    fn from(&self, number: u64) -> Option<(Status, u64)> {
        let number = number.max(self.first);
        let at = usize::try_from(number - self.first).ok()?;
        Some((self.kept.get(at)?.clone(), number + 1))
    }

    /// Returns the number of the last change.
    fn last(&self) -> u64 {
        self.first + (self.kept.len() as u64).saturating_sub(1)
    }
}

/// The changes of a connection as they happen, beginning with its state at the call that returned them. The connection
/// does not stay open for them.
#[derive(Debug)]
pub struct StatusChanges<W: Wake> {
    hub: Arc<Hub<W>>,
    /// The number of the next change.
    next: u64,
    ticket: Option<Ticket>,
}

impl<W: Wake> StatusChanges<W> {
    pub(super) fn new(hub: &Arc<Hub<W>>) -> Self {
        // Changes between this call and the first poll are told.
        let next = hub.look(|state| state.recovery.as_ref().map_or(0, |recovery| recovery.log.last()));
        Self { hub: Arc::clone(hub), next, ticket: None }
    }

    /// Polls for the next change; `None` after the end of the connection. Of more than 64 changes that were not
    /// polled, the oldest are dropped.
    pub fn poll(&mut self, waiter: &W) -> Poll<Option<Status>> {
        let Self { hub, next, ticket } = self;
        hub.attempt(LineId::Connection, ticket, waiter, |state| match state.status(*next) {
            Some((status, after)) => {
                *next = after;
                Poll::Ready(Some(status))
            }
            None if state.ended.is_some() => Poll::Ready(None),
            None => Poll::Pending,
        })
    }
}

impl<W: Wake> Drop for StatusChanges<W> {
    fn drop(&mut self) {
        self.hub.leave(LineId::Connection, &mut self.ticket);
    }
}

impl<W: Wake> State<W> {
    /// Returns the first kept change from a number on, and the number after it.
    fn status(&self, number: u64) -> Option<(Status, u64)> {
        if let Some(recovery) = &self.recovery {
            return recovery.log.from(number);
        }
        // Such a connection is open once, and fails once.
        match (number, &self.ended) {
            (0, None) => self.is_open.then_some((Status::Connected, 1)),
            (0 | 1, Some(ended)) if ended.is_failure() => Some((Status::Failed(ended.clone()), 2)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Status, StatusLog};

    #[test]
    fn a_slow_observer_misses_the_oldest_changes() {
        let mut log = StatusLog::default();
        assert!(log.from(0).is_none());
        for attempt in 0..100 {
            log.push(Status::Reconnecting { attempt, address: "amqp://a:5672".into() });
        }
        let (first, next) = log.from(3).unwrap();
        assert!(matches!(first, Status::Reconnecting { attempt: 36, .. }), "{first:?}");
        assert_eq!((next, log.last(), log.kept.len()), (37, 99, MOST));
        assert!(log.from(100).is_none());
    }
}
