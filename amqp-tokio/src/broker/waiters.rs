//! [`Waiters`]: tasks that wait for the same thing, in the order in which they came.

use std::collections::VecDeque;
use std::task::Waker;

/// A place in a line; a future holds it until it leaves.
pub(crate) type Ticket = u64;

/// A line of tasks. A woken task keeps its place until it leaves.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    next: Ticket,
    line: VecDeque<(Ticket, Option<Waker>)>,
}

impl Waiters {
    /// Registers a waker, at a new place if the ticket has none. Returns the replaced waker, which the caller drops
    /// after unlocking.
    #[must_use]
    pub(crate) fn wait(&mut self, ticket: &mut Option<Ticket>, waker: &Waker) -> Option<Waker> {
        let at = ticket.and_then(|ticket| self.place(ticket));
        match at.and_then(|at| self.line.get_mut(at)) {
            Some((_, Some(old))) if old.will_wake(waker) => None,
            Some((_, place)) => place.replace(waker.clone()),
            None => {
                *ticket = Some(self.next);
                self.line.push_back((self.next, Some(waker.clone())));
                self.next += 1;
                None
            }
        }
    }

    /// Leaves a place. Returns its waker, unless it was woken.
    #[must_use]
    pub(crate) fn leave(&mut self, ticket: Ticket) -> Option<Waker> {
        let at = self.place(ticket)?;
        self.line.remove(at)?.1
    }

    /// Wakes all tasks.
    pub(crate) fn wake_all(&mut self, wakes: &mut Vec<Waker>) {
        wakes.extend(self.line.iter_mut().filter_map(|(_, waker)| waker.take()));
    }

    /// Finds the place of a ticket. Tickets rise.
    fn place(&self, ticket: Ticket) -> Option<usize> {
        self.line.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()
    }
}
