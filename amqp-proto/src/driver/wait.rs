//! [`Wait`]: an attempt that is repeated after changes.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use super::hub::{Hub, Next};
use super::line::Ticket;
use super::state::{Alarm, LineId, State};
use super::wake::Wake;

/// An attempt that may have to wait. Call `poll`, and again after the waiter was woken.
///
/// Dropping a wait leaves its line and has no other effect, since a pending attempt has changed nothing.
#[must_use = "nothing happens until it is polled"]
pub struct Wait<'a, W: Wake, F> {
    hub: &'a Hub<W>,
    place: LineId,
    ticket: Option<Ticket>,
    /// The bound of the wait; the attempt sees when it is exceeded.
    bound: Bound,
    alarm: Option<Alarm>,
    attempt: F,
}

impl<'a, W: Wake, F> Wait<'a, W, F> {
    pub(crate) fn new(hub: &'a Hub<W>, place: LineId, attempt: F) -> Self {
        Self { hub, place, ticket: None, bound: Bound::None, alarm: None, attempt }
    }

    /// Bounds the wait by the reply timeout.
    pub(crate) fn for_reply(mut self) -> Self {
        self.bound = Bound::Reply;
        self
    }

    /// Bounds the wait by a time span.
    pub(crate) fn within(mut self, span: Duration) -> Self {
        self.bound = Bound::Span(span);
        self
    }

    /// Makes the attempt. If pending, the waiter is woken when there is a reason to try again.
    pub fn poll<R>(&mut self, waiter: &W) -> Poll<R>
    where
        F: FnMut(&mut State<W>, Attempt) -> Poll<R>,
    {
        let Self { hub, place, ticket, bound, alarm, attempt } = self;
        hub.with_then(|state| {
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
            let next = Next::after(&result);
            (result, next)
        })
    }
}

/// A wait of a task is a future.
///
/// # Cancel safety
///
/// Dropping the future leaves its line and has no other effect.
impl<R, F: FnMut(&mut State<Waker>, Attempt) -> Poll<R>> Future for Wait<'_, Waker, F> {
    type Output = R;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        self.get_mut().poll(context.waker())
    }
}

impl<W: Wake, F> Unpin for Wait<'_, W, F> {}

/// The bound of a wait.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    None,
    /// The reply timeout.
    Reply,
    Span(Duration),
}

/// The ticket of a wait, and whether its bound is exceeded.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// The place in line, once there is one.
    pub(crate) ticket: Option<Ticket>,
    /// `true` if the bound is exceeded.
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

/// The attempt of a [`Wait`]. Closures implement it.
pub trait Try<W, R>: FnMut(&mut State<W>, Attempt) -> Poll<R> {}

impl<W, R, F: FnMut(&mut State<W>, Attempt) -> Poll<R>> Try<W, R> for F {}
