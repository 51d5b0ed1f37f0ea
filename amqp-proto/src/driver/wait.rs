//! [`Wait`]: an attempt that is made again whenever something has changed.

use core::fmt;
use core::task::Poll;
use core::time::Duration;

use super::hub::Hub;
use super::line::Ticket;
use super::state::{Alarm, LineId, State};
use super::wake::Wake;

/// An attempt at something that may have to wait: `poll` it, and again once the waiter was woken.
///
/// Dropping it gives its place in line up and has no other effect: an attempt that was not ready has changed nothing.
#[must_use = "nothing happens until it is polled"]
pub struct Wait<'a, W: Wake, F> {
    hub: &'a Hub<W>,
    place: LineId,
    ticket: Option<Ticket>,
    /// How long the wait may take; the attempt sees when that is over.
    bound: Bound,
    alarm: Option<Alarm>,
    attempt: F,
}

impl<'a, W: Wake, F> Wait<'a, W, F> {
    pub(crate) fn new(hub: &'a Hub<W>, place: LineId, attempt: F) -> Self {
        Self { hub, place, ticket: None, bound: Bound::None, alarm: None, attempt }
    }

    /// Bounds the wait by the time that the peer has for a reply.
    pub(crate) fn for_reply(mut self) -> Self {
        self.bound = Bound::Reply;
        self
    }

    /// Bounds the wait by a span of its own.
    pub(crate) fn within(mut self, span: Duration) -> Self {
        self.bound = Bound::Span(span);
        self
    }

    /// Writes the output that there is, before a waiter that has nothing else to do sleeps.
    pub fn flush(&self) {
        self.hub.flush();
    }

    /// Makes the attempt. Pending: the waiter is woken when there is a reason to try again.
    pub fn poll<R>(&mut self, waiter: &W) -> Poll<R>
    where
        F: FnMut(&mut State<W>, Attempt) -> Poll<R>,
    {
        let Self { hub, place, ticket, bound, alarm, attempt } = self;
        hub.with(|state| {
            let at = Attempt { ticket: *ticket, is_late: alarm.is_some_and(|alarm| state.is_due(alarm)) };
            let result = attempt(state, at);
            match result {
                Poll::Pending => {
                    state.wait(*place, ticket, waiter);
                    if alarm.is_none() {
                        *alarm = ticket.and_then(|ticket| state.set_alarm(*place, ticket, *bound));
                    }
                }
                Poll::Ready(_) => state.leave(*place, ticket, alarm),
            }
            result
        })
    }
}

/// How long a wait may take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    None,
    /// As long as the peer may take for a reply.
    Reply,
    Span(Duration),
}

/// The place in line and the time of a wait, for its attempt.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// The place in line, once there is one.
    pub(crate) ticket: Option<Ticket>,
    /// Whether the time is over.
    pub(crate) is_late: bool,
}

impl<W: Wake, F> Drop for Wait<'_, W, F> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            self.hub.with(|state| state.leave(self.place, &mut self.ticket, &mut self.alarm));
        }
    }
}

impl<W: Wake, F> fmt::Debug for Wait<'_, W, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("place", &self.place).finish_non_exhaustive()
    }
}

/// An attempt that a [`Wait`] makes. Closures are; nothing else has to be.
pub trait Try<W, R>: FnMut(&mut State<W>, Attempt) -> Poll<R> {}

impl<W, R, F: FnMut(&mut State<W>, Attempt) -> Poll<R>> Try<W, R> for F {}
